#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit_event
short_description: Write one event into the plant's audit journal
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Writes one record into the journal that P(kojo.plant.audit#callback) keeps, chained and signed like its others, and
    on disk when the task is done.
  - Who did it is the one who runs Ansible. The service takes the event into its trail with the run's other records.
  - Secrets are removed from O(old), O(new) and O(reason), by name, by value and by form.
  - It runs on the control node, whatever the host of the task is.
options:
  action:
    description: What was done, such as V(change:deploy).
    type: str
    required: true
  record_type:
    description: The kind of thing it was done to.
    type: str
    required: true
  record_id:
    description: Which one.
    type: str
    required: true
  record_version:
    description: Its version afterwards, if it has one.
    type: int
  old:
    description: What there was.
    type: dict
  new:
    description: What there is now.
    type: dict
  reason:
    description: Why, in words.
    type: str
  once:
    description:
      - An event of the same O(action) and record with this key is written once, so that a run that goes on after a cut
        doesn't tell it twice. Without a key, each run of the task is an event.
    type: str
attributes:
  check_mode:
    description: It says whether it would write, and writes nothing.
    support: full
  diff_mode:
    description: What it would show is RV(event).
    support: none
  idempotent:
    description: With O(once).
    support: partial
  action:
    description: It runs on the control node, as an action plugin.
    support: full
"""

EXAMPLES = r"""
- name: Tell that the change is finished
  kojo.plant.audit_event:
    action: change:finish
    record_type: change
    record_id: "{{ change_id }}"
    new: {version: "{{ mes_version }}", colour: green}
    once: "{{ change_id }} finished"
  run_once: true
"""

RETURN = r"""
event:
  description: The event, without its number.
  returned: success
  type: dict
  sample:
    action: change:finish
    actor: {id: sato, kind: person, name: Sato Hanako, roles: []}
    at: "2026-01-05T08:30:00.250000Z"
    new: {colour: green, version: 1.4.0, once: C-2026-001 finished}
    old: null
    reason: null
    record: {id: C-2026-001, type: change, version: null}
    request_id: 0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10
sequence:
  description: Its number in the journal.
  returned: when it was written
  type: int
  sample: 1041
"""
