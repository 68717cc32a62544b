#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Which colour of the service the plant's edges send to."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bluegreen
short_description: Which colour of the service all edges send to, switched at one instant
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Runs on one edge, for all of them. Their agents (C(kojo-bluegreen agent)) write the decision to disk, put it into
    HAProxy beside the one that holds, read it back, and commit it at an agreed instant.
  - On any edge's failure the decision that held holds on. An edge that was away takes over what was decided when it
    comes back.
  - One owner at a time changes the decision. A lock ends by itself; who had it is fenced off by a number that grows.
options:
  state:
    description:
      - V(prepared) puts the decision on all edges, unseen, and keeps them locked for O(owner).
      - V(committed) has all edges serve by it.
      - V(rolled_back) forgets what O(owner) prepared and lets the edges go. A canary ends.
    type: str
    choices: [prepared, committed, rolled_back]
    default: committed
  active:
    description: The colour that serves. Required for O(state=prepared) and O(state=committed).
    type: str
    choices: [blue, green]
  canary:
    description: The share of the sources, in percent, that the other colour gets.
    type: int
    default: 0
  owner:
    description: Who changes it, for the lock and the record.
    type: str
    required: true
  reason:
    description: Why, for the record.
    type: str
    required: true
  all_edges:
    description: Whether an edge that can't be asked stands against the switch.
    type: bool
    default: true
  drain:
    description:
      - Afterwards wait for the sessions of the idle colour, so many seconds, then end what is left.
      - Without it they go on for as long as they like.
    type: int
  settings:
    description: The agent's file of settings.
    type: path
    default: /etc/kojo-bluegreen.json
attributes:
  check_mode:
    support: full
    description: Says what would be decided. Nothing is locked.
  diff_mode:
    support: full
    description: Shows the map before and after.
  idempotent:
    support: full
    description: A decision that holds on all edges is left alone, and its generation with it.
"""

EXAMPLES = r"""
- name: Send a tenth of the sources to green
  kojo.plant.bluegreen:
    active: blue
    canary: 10
    owner: change-42
    reason: version 1.4.0
  run_once: true

- name: Switch to green, and give blue's requests half a minute
  kojo.plant.bluegreen:
    active: green
    drain: 30
    owner: change-42
    reason: version 1.4.0
  run_once: true
"""

RETURN = r"""
active:
  description: The colour that serves, or would in check mode.
  type: str
  returned: always
  sample: green
canary:
  description: The share that the other colour gets, in percent.
  type: int
  returned: always
  sample: 0
generation:
  description: The number of the decision; of two, the greater one holds.
  type: int
  returned: always
  sample: 7
skew_ms:
  description: Time between the first and the last edge's commit, in milliseconds.
  type: float
  returned: always
  sample: 0.8
ended_sessions:
  description: How many sessions were ended because O(drain) was over.
  type: int
  returned: when O(drain) is given
  sample: 0
"""

import asyncio
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen import switch as switching
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.command import edges
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.daemon import Misconfigured, Settings
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.decision import Decision, Unsound
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.drain import drain
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.switch import Switched
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.together import Ask, NotSwitched, newest, survey
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.wire import Unreachable


def wanted(options: dict[str, Any], held: Decision) -> Decision | None:
    """The next decision, or None if the one that holds will do."""
    rolled_back = options["state"] == "rolled_back"
    active = held.active if rolled_back else options["active"]
    new = held.next(active, 0 if rolled_back else options["canary"])
    return None if new.same_service(held) else new


async def decide(ways: dict[str, Ask], options: dict[str, Any], check_mode: bool) -> tuple[Switched, int]:
    """What was decided (in check mode: would be), and how many sessions were ended."""

    def change(held: Decision) -> Decision | None:
        return wanted(options, held)

    owner, reason = options["owner"], options["reason"]
    if check_mode:
        held = newest(await survey(ways))
        return Switched(held, change(held) or held, 0.0, ()), 0
    if options["state"] == "prepared":
        return await switching.prepare(ways, owner, reason, change), 0
    if options["state"] == "rolled_back":
        await switching.abandon(ways, owner)
    switched = await switching.switch(ways, owner, reason, change, all_edges=options["all_edges"])
    ended = 0
    if options["drain"] is not None:
        ended = await drain(ways, owner, switched.new.idle, options["drain"])
    return switched, ended


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["prepared", "committed", "rolled_back"], "default": "committed"},
            "active": {"type": "str", "choices": ["blue", "green"]},
            "canary": {"type": "int", "default": 0},
            "owner": {"type": "str", "required": True},
            "reason": {"type": "str", "required": True},
            "all_edges": {"type": "bool", "default": True},
            "drain": {"type": "int"},
            "settings": {"type": "path", "default": "/etc/kojo-bluegreen.json"},
        },
        required_if=[("state", "prepared", ["active"]), ("state", "committed", ["active"])],
        supports_check_mode=True,
    )
    options = module.params
    try:
        ways = edges(Settings.read(Path(options["settings"])))
        switched, ended = asyncio.run(decide(ways, options, module.check_mode))
    except (NotSwitched, Unsound, Unreachable, OSError, Misconfigured) as error:
        module.fail_json(msg=str(error))
    outcome: dict[str, Any] = {
        "changed": switched.changed,
        "active": switched.new.active,
        "canary": switched.new.canary,
        "generation": switched.new.generation,
        "skew_ms": round(switched.skew * 1000, 3),
        "diff": {"before": switched.old.encode(), "after": switched.new.encode()},
    }
    if options["drain"] is not None:
        outcome["ended_sessions"] = ended
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
