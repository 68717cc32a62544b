#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Dynamic configuration of a Patroni cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_config
short_description: Dynamic configuration of a Patroni cluster
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Changes the configuration that Patroni keeps in its store, by its REST interface and only where it differs.
  - Keys that O(config) doesn't name stay as they are; a key with the value null is removed; lists are replaced whole.
  - Waits for the cluster to have a leader. Any member may be asked.
  - Restarts nothing. The members that have to be restarted for a change to count are returned.
extends_documentation_fragment:
  - kojo.plant.https
options:
  username:
    description: User of the REST interface's unsafe calls.
    type: str
    required: true
  password:
    description: Its password.
    type: str
    required: true
  config:
    description: The wanted configuration, or the part of it that matters.
    type: dict
    required: true
attributes:
  check_mode:
    support: full
    description: Where Patroni isn't running yet, the whole configuration counts as a change.
  diff_mode:
    support: full
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Commit on any one of two standbys
  kojo.plant.patroni_config:
    url: https://10.77.31.11:8008
    ca_file: /etc/kojo/pki/ca.crt
    username: patroni
    password: "{{ plant_secrets.patroni_rest_password }}"
    config:
      synchronous_mode: quorum
      postgresql:
        parameters:
          max_connections: 200
          old_parameter: null
  run_once: true
"""

RETURN = r"""
config:
  description: The whole dynamic configuration after the change.
  returned: always
  type: dict
  sample: {ttl: 20, loop_wait: 3, synchronous_mode: quorum}
leader:
  description: The member that leads now; none where Patroni isn't running yet (check mode).
  returned: always
  type: str
  sample: db2
pending_restart:
  description: The members that have to be restarted for the configuration to count, the leader last.
  returned: always
  type: list
  elements: str
  sample: [db1, db3, db2]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kojo.plant.plugins.module_utils.https_json import HTTPS_OPTIONS, HttpsJson, Unreachable
from ansible_collections.kojo.plant.plugins.module_utils.patroni import (
    Patroni,
    PatroniError,
    Tree,
    difference,
    merge,
)

DEFAULT_LOOP_WAIT = 10


def result(changed: bool, before: Tree, after: Tree, leader: str | None, pending: list[str]) -> dict[str, Any]:
    return {
        "changed": changed,
        "config": after,
        "leader": leader,
        "pending_restart": pending,
        "diff": {"before": before, "after": after},
    }


def configure(patroni: Patroni, wanted: Tree, timeout: float, check_mode: bool) -> dict[str, Any]:
    try:
        leader = patroni.wait_for_leader(0 if check_mode else timeout)
    except PatroniError:
        if check_mode:
            return result(True, {}, merge({}, wanted), None, [])
        raise
    before = patroni.config()
    patch = difference(before, wanted)
    after = merge(before, patch)
    if patch and not check_mode:
        after = patroni.patch_config(patch)
        left = difference(after, wanted)
        if left:
            raise PatroniError(
                f"Patroni accepted the configuration, but these keys are not as wanted: {', '.join(left)}"
            )
        patroni.wait_for_loop(float(after.get("loop_wait", DEFAULT_LOOP_WAIT)))
        leader = patroni.wait_for_leader(timeout)
    pending = [member for member in patroni.members() if member.pending_restart]
    pending.sort(key=lambda member: (member.name == leader, member.name))
    return result(bool(patch), before, after, leader, [member.name for member in pending])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **HTTPS_OPTIONS,
            "username": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "config": {"type": "dict", "required": True},
        },
        required_together=[("cert_file", "key_file")],
        supports_check_mode=True,
    )
    options = module.params
    try:
        transport = HttpsJson(
            options["url"],
            options["ca_file"],
            options["cert_file"],
            options["key_file"],
            (options["username"], options["password"]),
        )
        outcome = configure(Patroni(transport), options["config"], options["timeout"], module.check_mode)
    except (PatroniError, Unreachable, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
