#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plant_check
short_description: All faults of a plant's model and hosts, in one message
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Checks the variables whose names begin with C(plant_), the groups, and the address of every host of the inventory,
    whatever the limit of the run is. It needs no host for that.
  - Checks what M(kojo.plant.host_state) returned for the hosts of the run.
  - Checks that the callback P(kojo.plant.audit#callback) is loaded. That it isn't is a warning alone when
    RV(ignore:kojo_audit) is V(best_effort).
  - Checks that a job of AWX has the plant's authority in a folder that outlives it.
  - Fails with one line a fault, which has the file, the key, the problem and a remedy.
options:
  states:
    description: Host name to the result of M(kojo.plant.host_state).
    type: dict
    default: {}
  clock_skew_s:
    description: How many seconds a host's clock may be off the control node's.
    type: float
    required: true
  disk_free_mb:
    description: How much space each of a host's measured folders must have.
    type: int
    required: true
  memory_mb:
    description: How much memory a host must have.
    type: int
    required: true
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: It changes nothing.
    support: none
  idempotent:
    description: It changes nothing.
    support: full
  action:
    description: It runs on the control node, as an action plugin.
    support: full
"""

EXAMPLES = r"""
- name: Check the model alone
  kojo.plant.plant_check:
    clock_skew_s: 5
    disk_free_mb: 2048
    memory_mb: 1024
  run_once: true
"""

RETURN = r"""
msg:
  description: One line a fault.
  returned: failure
  type: str
  sample: >-
    inventories/plant_a/group_vars/all/plant.yml: plant_langage: is an unknown key; did you mean plant_language?
"""
