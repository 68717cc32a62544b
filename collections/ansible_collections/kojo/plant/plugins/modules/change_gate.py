#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: change_gate
short_description: May this artefact be brought to this plant under this change, now?
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Asks the service whether the change is approved by two people in two roles, for exactly this artefact and plant, now
    within its window, and not used already. It fails with every reason that stands against it.
  - When the service can't answer (it isn't reachable, answers 429 or 5xx, or doesn't know the question, as on a first
    installation), signed approval files decide instead. They don't when the service says no.
  - A change that is inside one of the plant's production windows is refused, unless it says C(during_production).
  - Each decision is one event in the plant's audit journal, V(change:authorise), V(change:use), V(change:break-glass)
    or V(change:refuse); without its journal there is no yes.
  - It runs on the control node, whatever the host of the task is. C(docs/changes.md) of Kojo's repository says how
    people approve and what each refusal means.
options:
  change:
    description: The id of the change.
    type: str
    required: true
  digest:
    description: SHA-256 of the artefact, in hex.
    type: str
    required: true
  reference:
    description:
      - What uses the change, one text for one run of a deploy however often it is taken up again. The same reference
        is no second use of a change, for 24 hours.
    type: str
    required: true
  use:
    description: Whether to use the change up. Otherwise it is only asked for.
    type: bool
    default: false
  plant:
    description: The plant. By default C(plant_id).
    type: str
  url:
    description: The service. By default C(https://) and C(plant_virtual_address).
    type: str
  api_key:
    description: The API key of the gate. By default C(plant_secrets.mes_gate_key).
    type: str
  ca_file:
    description:
      - The certificate authority of the plant. By default C(ca.crt) in C(pki_authority_directory), or in C(.state/pki)
        beside the inventory.
    type: path
  approvals:
    description: The folder of approval files. By default C(approvals) beside the inventory.
    type: path
  approvers:
    description: Who may sign them, name to C(role) and C(key). By default C(plant_approvers).
    type: dict
  windows:
    description: The production windows, by the clock of C(plant_timezone). By default C(plant_production_windows).
    type: list
    elements: dict
  break_glass_reason:
    description:
      - Why two approvals can't be waited for. With it one signature is enough on approval files, and the change is to
        be reviewed afterwards. Where the service answers, the glass is broken there, and this is not looked at.
    type: str
  alertmanager_url:
    description:
      - Where a break-glass on files is told, until it is reviewed. By default port 9093 of the first host of the group
        C(monitoring). The user is C(kojo), with C(plant_secrets.alertmanager_web_password).
    type: str
attributes:
  check_mode:
    description: It asks, and uses nothing. The decision is recorded as one of check mode.
    support: full
  diff_mode:
    description: It shows the use.
    support: full
  idempotent:
    description: The same O(reference) uses a change once.
    support: full
  action:
    description: It runs on the control node, as an action plugin.
    support: full
"""

EXAMPLES = r"""
- name: Ask before anything is touched
  kojo.plant.change_gate:
    change: "{{ change_id }}"
    digest: "{{ __deploy_digest }}"
    reference: "deploy {{ mes_version }} {{ change_id }}"
  run_once: true

- name: Use the change up
  kojo.plant.change_gate:
    change: "{{ change_id }}"
    digest: "{{ __deploy_digest }}"
    reference: "deploy {{ mes_version }} {{ change_id }}"
    use: true
    break_glass_reason: "{{ break_glass_reason | default(omit) }}"
  run_once: true
  register: __deploy_gate
"""

RETURN = r"""
authority:
  description: Who said yes, V(service) or V(files).
  returned: success
  type: str
  sample: service
basis:
  description:
    - V(two-approvals) or V(break-glass). Null when the service was only asked, for what RV(reference) has used before.
  returned: success
  type: str
  sample: two-approvals
until:
  description: The answer holds until then at most; null when it was used before.
  returned: success
  type: str
  sample: "2026-12-01T16:00:00Z"
during_production:
  description: Whether the change may fall into a production window.
  returned: success
  type: bool
  sample: false
used:
  description: Whether RV(reference) has used the change up, now or before. Check mode uses nothing.
  returned: success
  type: bool
  sample: true
reference:
  description: What uses the change.
  returned: success
  type: str
  sample: deploy 1.4.0 0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d11
approvers:
  description: Who signed the approval files; empty when the service said yes.
  returned: success
  type: list
  elements: str
  sample: [aiko, ken]
reason:
  description: Of a break-glass, why.
  returned: success
  type: str
  sample: line 3 stands still
review_due:
  description: Of a break-glass that was used, when its review is due.
  returned: success
  type: str
  sample: "2026-12-02T13:04:11Z"
alerted:
  description: Whether Alertmanager was told of a change by break-glass on files; false when there was nothing to tell.
  returned: always
  type: bool
  sample: false
reasons:
  description: What stands against it, one by one.
  returned: failure
  type: list
  elements: str
  sample: ["it was used at 2026-12-01T13:04:11Z for deploy 1.4.0 mon1"]
sequence:
  description: The decision's number in the audit journal.
  returned: always
  type: int
  sample: 1041
"""
