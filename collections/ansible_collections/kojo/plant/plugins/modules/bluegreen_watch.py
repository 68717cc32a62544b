#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""The watch over the colour on trial, with the way back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bluegreen_watch
short_description: Watch the new colour against the old one, and go back if it is worse
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Runs on one edge, for all of them. Once a second it asks their agents what both colours answered. On trial is the
    colour of the canary while there is one, otherwise the active one; the other one is the old colour.
  - Failures (answers with 5xx, by the service or by HAProxy for it, and answers that were cut off) are judged by a
    sequential probability ratio test. A colour that fails no more than the old one is sent back with a chance of at
    most one in a thousand a watch. At least 100 requests, and three bad seconds, are needed.
  - Latency is judged by HAProxy's average over about 1000 requests, once so many were answered. It must be beyond
    the bound for five seconds in a row.
  - When the new colour is worse and a server of the old one is up, all edges that can be asked go back to the old
    colour (a canary ends). When both are bad nothing is switched, the agents keep a mark on the decision
    (C(kojo-bluegreen status)), and the alert C(ColourHeld) fires until another decision is made or a watch passes.
  - It does not fail because of what it saw; the play decides by RV(verdict).
options:
  state:
    description:
      - V(watched) watches, and goes back if it must.
      - V(measured) only measures the active colour, for O(baseline) of the watch after the switch.
    type: str
    choices: [watched, measured]
    default: watched
  seconds:
    description: How long, 1 to 3600 seconds.
    type: int
    default: 60
  owner:
    description: Who goes back, for the lock and the record.
    type: str
    required: true
  baseline:
    description:
      - What the old colour did before the switch, as RV(baseline) of O(state=measured) tells it.
      - Without it all counts that HAProxy has of the old colour.
    type: dict
    suboptions:
      requests:
        description: How many requests were answered.
        type: int
        required: true
      failures:
        description: How many of them failed.
        type: int
        required: true
      connection_errors:
        description: How many attempts to reach a server failed, tried again or not. For the record only.
        type: int
        default: 0
      response_ms:
        description: The average time until an answer began, in milliseconds.
        type: float
        default: 0
  tolerance:
    description: A share of failed requests that is this much greater than the old colour's is a regression.
    type: float
    default: 0.02
  latency_factor:
    description: The average time until an answer begins may be so many times the old colour's.
    type: float
    default: 2
  latency_extra_ms:
    description: It may be so many milliseconds longer in any case.
    type: float
    default: 50
  prometheus_url:
    description:
      - Where Prometheus is asked once, at the end of a watch that saw nothing. What can't be reached changes nothing.
      - A service level that is broken makes the colour worse if it failed more often than the old one does, though
        not provably so.
    type: str
  prometheus_user:
    description: Whom Prometheus knows.
    type: str
  prometheus_password:
    description: The password of O(prometheus_user).
    type: str
  prometheus_query:
    description: How many times too fast the error budget burns. Beyond 14.4 the service level is broken.
    type: str
    default: slo:error:ratio{slo="latency"} / on (slo) slo:budget:ratio
  settings:
    description: The agent's file of settings.
    type: path
    default: /etc/kojo-bluegreen.json
attributes:
  check_mode:
    support: full
    description: Says which colours it would watch, and returns at once without a verdict.
  diff_mode:
    support: full
    description: Shows the map before and after, if it went back.
  idempotent:
    support: none
    description: Each watch is a new one. It changes nothing while the new colour is well.
"""

EXAMPLES = r"""
- name: Measure what the old colour does
  kojo.plant.bluegreen_watch:
    state: measured
    seconds: 30
    owner: change-42
  register: before
  run_once: true

- name: Watch the new colour after the switch
  kojo.plant.bluegreen_watch:
    baseline: "{{ before.baseline }}"
    owner: change-42
  register: watch
  failed_when: watch is failed or watch.verdict != 'pass'
  run_once: true
"""

RETURN = r"""
verdict:
  description:
    - V(pass), nothing against the new colour was seen; V(worse), it was worse and the old one serves again; V(hold),
      it can't be said or nothing better is there, and somebody has to look.
  type: str
  returned: for O(state=watched), not in check mode
  sample: pass
reason:
  description: What was seen.
  type: str
  returned: for O(state=watched), not in check mode
  sample: 11874 requests, 3 failed
at:
  description: When, UTC.
  type: str
  returned: for O(state=watched), not in check mode
  sample: '2026-11-23T19:02:11.480Z'
new:
  description: The colour on trial.
  type: str
  returned: for O(state=watched)
  sample: green
old:
  description: The colour that it is held against.
  type: str
  returned: for O(state=watched)
  sample: blue
generation:
  description: The number of the decision that holds afterwards.
  type: int
  returned: for O(state=watched)
  sample: 7
beta:
  description:
    - At most the chance that a colour whose share of failures was greater by O(tolerance) all along passed this watch.
      Near 1 the watch saw too few requests to say much.
  type: float
  returned: for O(state=watched), not in check mode
  sample: 0.000003
service_level:
  description: What Prometheus said, or that it can't be asked. Empty if it wasn't.
  type: str
  returned: for O(state=watched), not in check mode
  sample: the error budget burns 0.4 times too fast
baseline:
  description: What the old colour did before, or in O(state=measured) what the active colour does.
  type: dict
  returned: not in check mode
  sample: {requests: 6012, failures: 2, connection_errors: 0, response_ms: 11.0}
looks:
  description:
    - Once a second, C(at) (seconds since 1970) what C(new) and C(old) did since the last look on all edges, and which
      edges were C(away). C(response_ms) is HAProxy's average, weighed by the requests of the edges.
  type: list
  elements: dict
  returned: for O(state=watched), not in check mode
  sample:
    - at: 1795460531.48
      new: {requests: 198, failures: 0, connection_errors: 0, response_ms: 12.0}
      old: {requests: 0, failures: 0, connection_errors: 0, response_ms: 0.0}
      away: []
"""

import asyncio
import datetime
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.command import edges
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.daemon import Misconfigured, Settings
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.decision import Unsound
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.regression import Limits
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.service_level import QUERY, ServiceLevel
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.together import NotSwitched, newest, survey
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.traffic import Traffic
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.watch import (
    LOOK_SECONDS,
    SWITCH_SECONDS,
    Watch,
    Watched,
    measure,
    on_trial,
)


def bad_input(options: dict[str, Any]) -> str:
    """What is wrong with the options, or an empty string."""
    baseline = options["baseline"]
    bounds = {
        "seconds is a whole number from 1 to 3600": 1 <= options["seconds"] <= 3600,
        "tolerance is a share above 0, at most 0.5": 0 < options["tolerance"] <= 0.5,
        "latency_factor is at least 1": options["latency_factor"] >= 1,
        "latency_extra_ms is at least 0": options["latency_extra_ms"] >= 0,
        "baseline has no less than 0 failures, and no more of them than requests": (
            baseline is None or 0 <= baseline["failures"] <= baseline["requests"]
        ),
        "prometheus_url begins with https:// or http://": (
            not options["prometheus_url"] or options["prometheus_url"].startswith(("https://", "http://"))
        ),
    }
    return "; ".join(rule for rule, kept in bounds.items() if not kept)


def watch(options: dict[str, Any], settings: Settings) -> Watch:
    level = None
    if options["prometheus_url"]:
        known = ServiceLevel(
            options["prometheus_url"],
            options["prometheus_user"] or "",
            options["prometheus_password"] or "",
            options["prometheus_query"],
        )

        async def level() -> tuple[bool, str]:
            return await known.ask(settings.certificates.client())

    return Watch(
        looking=edges(settings, LOOK_SECONDS),
        acting=edges(settings, SWITCH_SECONDS),
        owner=options["owner"],
        seconds=options["seconds"],
        limits=Limits(
            tolerance=options["tolerance"], factor=options["latency_factor"], extra_ms=options["latency_extra_ms"]
        ),
        before=Traffic(**options["baseline"]) if options["baseline"] else None,
        level=level,
    )


def foreseen(settings: Settings) -> dict[str, Any]:
    """What would be watched."""
    held = newest(asyncio.run(survey(edges(settings))))
    new, old = on_trial(held)
    return {"changed": False, "new": new, "old": old, "generation": held.generation}


def outcome(watched: Watched) -> dict[str, Any]:
    at = datetime.datetime.fromtimestamp(watched.at, datetime.UTC)
    told: dict[str, Any] = {
        "changed": watched.verdict == "worse",
        "verdict": watched.verdict,
        "reason": watched.why,
        "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "new": watched.new,
        "old": watched.old,
        "generation": watched.held.generation,
        "beta": watched.beta,
        "service_level": watched.level,
        "baseline": asdict(watched.before),
        "looks": watched.looks,
    }
    if switched := watched.switched:
        told["generation"] = switched.new.generation
        told["diff"] = {"before": switched.old.encode(), "after": switched.new.encode()}
    return told


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["watched", "measured"], "default": "watched"},
            "seconds": {"type": "int", "default": 60},
            "owner": {"type": "str", "required": True},
            "baseline": {
                "type": "dict",
                "options": {
                    "requests": {"type": "int", "required": True},
                    "failures": {"type": "int", "required": True},
                    "connection_errors": {"type": "int", "default": 0},
                    "response_ms": {"type": "float", "default": 0},
                },
            },
            "tolerance": {"type": "float", "default": 0.02},
            "latency_factor": {"type": "float", "default": 2},
            "latency_extra_ms": {"type": "float", "default": 50},
            "prometheus_url": {"type": "str"},
            "prometheus_user": {"type": "str"},
            "prometheus_password": {"type": "str", "no_log": True},
            "prometheus_query": {"type": "str", "default": QUERY},
            "settings": {"type": "path", "default": "/etc/kojo-bluegreen.json"},
        },
        required_together=[("prometheus_user", "prometheus_password")],
        supports_check_mode=True,
    )
    options = module.params
    if wrong := bad_input(options):
        module.fail_json(msg=wrong)
    try:
        settings = Settings.read(Path(options["settings"]))
        if module.check_mode:
            module.exit_json(**foreseen(settings))
        if options["state"] == "measured":
            did = asyncio.run(measure(edges(settings, LOOK_SECONDS), options["seconds"]))
            module.exit_json(changed=False, baseline=asdict(did))
        watched = asyncio.run(watch(options, settings).run())
    except (NotSwitched, Unsound, OSError, Misconfigured) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**outcome(watched))


if __name__ == "__main__":
    main()
