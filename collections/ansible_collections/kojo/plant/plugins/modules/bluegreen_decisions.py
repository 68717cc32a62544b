#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""What an edge's agent has on record, for the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bluegreen_decisions
short_description: Write what was decided on an edge into the plant's audit journal
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Reads the decisions that the agent (C(kojo-bluegreen agent)) has on record on this edge, and writes those which the
    plant's journal doesn't have yet into it, an event each, of action V(bluegreen:decide).
  - A decision that was made on several edges is one event. What an edge only took over from another is none.
  - Who decided is in the event's C(new); its actor is the one who runs Ansible.
  - A line that can't be read is a warning, and so are older lines that were not read.
  - With C(kojo_audit=best_effort) a journal that can't be written is a warning; the next run writes what is missing.
options:
  path:
    description: The agent's file. Without it, nothing was decided yet.
    type: path
    default: /var/lib/kojo-bluegreen/decisions.jsonl
attributes:
  check_mode:
    description:
      - It says what it would write, and writes nothing. What stands on two edges, both say.
    support: full
  diff_mode:
    description: What it would show is RV(events).
    support: none
  idempotent:
    description: A decision that the journal has is not written again.
    support: full
  action:
    description: The file is read on the edge; the journal is the control node's.
    support: full
"""

EXAMPLES = r"""
- name: Record what was decided on the edges
  kojo.plant.bluegreen_decisions:
"""

RETURN = r"""
events:
  description: The events that were written, or would be in check mode, without their numbers.
  returned: success
  type: list
  elements: dict
  sample:
    - action: bluegreen:decide
      actor: {id: sato, kind: person, name: Sato Hanako, roles: []}
      at: "2026-01-05T08:30:00.250000Z"
      new: {active: blue, at: "2026-01-05T03:12:44.107301Z", canary: 0, edge: edge1, generation: 8, who: tanaka@edge1}
      old: {active: green, canary: 0, generation: 7}
      reason: orders can't be closed
      record: {id: "8", type: colour_decision, version: null}
      request_id: 0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

MOST = 256 * 2**10  # bytes: about 900 decisions


def last_lines(path: Path, most: int) -> tuple[int, list[str]]:
    """The whole lines in the last MOST bytes of PATH, and the number of the first of them; OSError."""
    text = path.read_bytes()
    start = text.find(b"\n", len(text) - most) + 1 if len(text) > most else 0
    first = text.count(b"\n", 0, start) + 1
    return first, [line.decode("utf-8", "replace") for line in text[start:].split(b"\n")]


def main() -> None:
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "default": "/var/lib/kojo-bluegreen/decisions.jsonl"}},
        supports_check_mode=True,
    )
    path = Path(module.params["path"])
    try:
        first, lines = last_lines(path, MOST)
    except FileNotFoundError:
        first, lines = 1, []
    except OSError as error:
        module.fail_json(msg=f"{path} cannot be read: {error.strerror}; the task needs become")
    module.exit_json(changed=False, path=str(path), first=first, lines=lines)


if __name__ == "__main__":
    main()
