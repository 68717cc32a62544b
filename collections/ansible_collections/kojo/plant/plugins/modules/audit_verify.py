#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit_verify
short_description: Verify an audit journal, and name its first bad record
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Reads a journal that P(kojo.plant.audit#callback) wrote from its first record to its last, and checks each one's
    hash, signature, number and the record that it follows on.
  - Fails at the first bad record with its file, line and number, and with what was done to it.
  - A cut end shows only against what is remembered of it. The journal's folder remembers how far it was synced; the
    service knows how far it was sent. Give O(heads) for what you have written down yourself.
  - It runs on the control node, whatever the host of the task is.
options:
  files:
    description: The journal's files, in their order. By default those of the plant.
    type: list
    elements: path
  public_keys:
    description:
      - Public keys (Ed25519) of the journal's writers, as PEM or as 32 bytes in hex. By default the one of the plant's
        own key. After a change of keys, give the former ones too.
    type: list
    elements: str
  heads:
    description: Records that are known to have been written.
    type: list
    elements: dict
    suboptions:
      writer:
        description: Name of the control node.
        type: str
        required: true
      sequence:
        description: Number of the record.
        type: int
        required: true
      hash:
        description: Its hash, in hex.
        type: str
        required: true
  from_first:
    description: Whether the journal is to begin with record 1. Say no when its older files lie elsewhere.
    type: bool
    default: true
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
- name: The plant's journal is whole
  kojo.plant.audit_verify:
  run_once: true

- name: A copy of a journal is whole, and reaches as far as was written down
  kojo.plant.audit_verify:
    files: [/mnt/audit/plant_a.ansible.000000001-000004711.jsonl, /mnt/audit/plant_a.jsonl]
    public_keys: ["{{ lookup('ansible.builtin.file', '/mnt/audit/ansible.pub') }}"]
    heads:
      - {writer: ansible, sequence: 4800, hash: 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b}
  run_once: true
"""

RETURN = r"""
records:
  description: How many records were read and found whole.
  returned: success
  type: int
  sample: 4800
files:
  description: The files that were read.
  returned: success
  type: list
  elements: str
  sample: [/srv/works/.state/journal/works.jsonl]
heads:
  description: The last record of each writer. Written down elsewhere, it shows a cut end later.
  returned: success
  type: list
  elements: dict
  sample:
    - {writer: ansible, sequence: 4800, hash: 6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b}
unfinished:
  description: Runs that began and did not end. They still run, or were killed.
  returned: success
  type: list
  elements: dict
  sample:
    - {run: 0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10, at: "2026-01-05T08:30:00.250000Z"}
finding:
  description: The first bad record.
  returned: failure
  type: dict
  contains:
    kind:
      description: One of C(edited), C(inserted), C(removed), C(reordered), C(truncated), C(forged signature).
      type: str
    file:
      description: The file.
      type: str
    line:
      description: The line in it.
      type: int
    record:
      description: The record.
      type: str
    detail:
      description: Why.
      type: str
  sample:
    kind: removed
    file: /srv/works/.state/journal/works.jsonl
    line: 41
    record: record 41 of ansible
    detail: record 42 follows on 40
"""
