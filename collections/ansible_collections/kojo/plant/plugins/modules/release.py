#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Documentation of the action plugin of this name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: What a release is, once its signature and its archive are verified
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Reads the manifest that C(make release) put beside an archive, and verifies who signed it and that the archive is
    the one that was signed.
  - Fails when it isn't signed, is signed by somebody who may not release, was edited, belongs to another archive, or
    was not built from a clean tree, and says which.
  - It runs on the control node, whatever the host of the task is.
options:
  folder:
    description: Folder of the archive, with C(release.json) and C(release.json.sig).
    type: path
    required: true
  signers:
    description: Who may release, name to public SSH key in one line, as C(plant_release_signers) has them.
    type: dict
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
seealso:
  - plugin: kojo.plant.schema_misfit
    plugin_type: filter
    description: Whether the release runs on the database's schema.
"""

EXAMPLES = r"""
- name: Take only what somebody who may has released
  kojo.plant.release:
    folder: "{{ playbook_dir }}/../.state/wheelhouse"
    signers: "{{ plant_release_signers }}"
  run_once: true
  register: found
"""

RETURN = r"""
release:
  description: The manifest.
  returned: success
  type: dict
  contains:
    release:
      description: Name of the release.
      type: str
    version:
      description: The service's version.
      type: str
    commit:
      description: The commit that it was built from.
      type: str
    clean:
      description: Always true. Nothing but the commit is in it.
      type: bool
    archive:
      description: Name of the archive in the folder.
      type: str
    artefact_digest:
      description: SHA-256 of the archive, in hex. A change request is bound to it.
      type: str
    schema:
      description: C(min) is the oldest revision of the schema that it runs on, C(max) the newest that it knows.
      type: dict
    built_at:
      description: When it was released, in UTC.
      type: str
    python:
      description: Python of the hosts that it is for.
      type: str
    machine:
      description: Processor of the hosts that it is for.
      type: str
    format:
      description: Format of the manifest.
      type: str
  sample:
    release: 1.2.0+0123456789ab
    version: 1.2.0
    commit: 410161b7b2f0d9a1f64c6a8dd8b2a1a5b2f0c3d4
    clean: true
    archive: kojo-mes-1.2.0+0123456789ab.tar
    artefact_digest: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    schema: {min: "0026", max: "0027"}
    built_at: "2026-11-23T18:00:00.250000Z"
    python: "3.13"
    machine: x86_64
    format: kojo-release/1
signer:
  description: Who signed it.
  returned: success
  type: str
  sample: aiko
"""
