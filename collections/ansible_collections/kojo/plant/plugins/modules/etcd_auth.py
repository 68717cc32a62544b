#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Users, roles and authentication of an etcd cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_auth
short_description: Users, roles and authentication of an etcd cluster
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Makes users that may read and write one prefix of keys each, then turns authentication on.
  - Any member may be asked, so the task is run by one host.
  - A cluster that is as wanted is not changed, and neither is one with a replaced member.
  - Users and roles that aren't named stay.
  - A password is checked by logging in with it; while authentication is off, etcd can't check one, so it is set again.
extends_documentation_fragment:
  - kojo.plant.https
options:
  root_password:
    description: Password of the user C(root), who administers the cluster.
    type: str
    required: true
  users:
    description: The users, each with a role of its own name.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user and its role.
        type: str
        required: true
      password:
        description: Its password.
        type: str
        required: true
      prefix:
        description: The keys that it may read and write begin with this.
        type: str
        required: true
attributes:
  check_mode:
    support: full
    description: Where etcd isn't running yet, everything counts as a change.
  diff_mode:
    support: full
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Let Patroni write below its prefix, and nobody else
  kojo.plant.etcd_auth:
    url: https://10.77.31.11:2379
    ca_file: /etc/kojo/pki/ca.crt
    cert_file: /etc/kojo/pki/host.crt
    key_file: /etc/kojo/pki/host.key
    root_password: "{{ plant_secrets.etcd_root_password }}"
    users:
      - {name: patroni, password: "{{ plant_secrets.etcd_patroni_password }}", prefix: /kojo/}
  run_once: true
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: [add user root, turn authentication on]
"""

import time
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kojo.plant.plugins.module_utils.etcd import Etcd, EtcdError, Permission
from ansible_collections.kojo.plant.plugins.module_utils.https_json import HTTPS_OPTIONS, HttpsJson, Unreachable

ROOT = "root"


@dataclass(frozen=True)
class Action:
    text: str
    path: str
    body: dict[str, Any]


@dataclass(frozen=True)
class User:
    name: str
    password: str
    prefix: str


def user_actions(etcd: Etcd, name: str, password: str) -> list[Action]:
    """What gives the user NAME this PASSWORD and the role of its own name."""
    roles = etcd.user_roles(name)
    actions = []
    if roles is None:
        actions.append(Action(f"add user {name}", "auth/user/add", {"name": name, "password": password}))
    elif not etcd.accepts(name, password):
        actions.append(Action(f"set password of {name}", "auth/user/changepw", {"name": name, "password": password}))
    if name not in (roles or []):
        actions.append(Action(f"grant role {name} to user {name}", "auth/user/grant", {"user": name, "role": name}))
    return actions


def role_actions(etcd: Etcd, name: str, wanted: list[Permission]) -> list[Action]:
    """What makes a role NAME with exactly the permissions WANTED."""
    present = etcd.role_permissions(name)
    actions = []
    if present is None:
        actions.append(Action(f"add role {name}", "auth/role/add", {"name": name}))
    for permission in [entry for entry in present or [] if entry not in wanted]:
        body = {"role": name, "key": permission.key, "range_end": permission.range_end}
        actions.append(Action(f"revoke {permission} from role {name}", "auth/role/revoke", body))
    for permission in [entry for entry in wanted if entry not in (present or [])]:
        grant = {"name": name, "perm": permission.as_json()}
        actions.append(Action(f"grant {permission} to role {name}", "auth/role/grant", grant))
    return actions


def plan(etcd: Etcd, root_password: str, users: list[User]) -> list[Action]:
    enabled = etcd.login(ROOT, root_password)
    # root's role may do everything and takes no permissions
    actions = [] if etcd.role_permissions(ROOT) is not None else role_actions(etcd, ROOT, [])
    actions += user_actions(etcd, ROOT, root_password)
    for user in users:
        actions += role_actions(etcd, user.name, [Permission.prefix(user.prefix)])
        actions += user_actions(etcd, user.name, user.password)
    if not enabled:
        actions.append(Action("turn authentication on", "auth/enable", {}))
    return actions


def authorise(etcd: Etcd, root_password: str, users: list[User], timeout: float, check_mode: bool) -> dict[str, Any]:
    try:
        etcd.wait_until_ready(0 if check_mode else timeout)
    except Unreachable:
        if not check_mode:
            raise
        texts = [f"add user {name}" for name in [ROOT, *(user.name for user in users)]]
        return _outcome([*texts, "turn authentication on"])
    actions = plan(etcd, root_password, users)
    if not check_mode:
        for action in actions:
            etcd.call(action.path, action.body)
    return _outcome([action.text for action in actions])


def _outcome(texts: list[str]) -> dict[str, Any]:
    after = "".join(f"{text}\n" for text in texts)
    return {"changed": bool(texts), "actions": texts, "diff": {"before": "", "after": after}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **HTTPS_OPTIONS,
            "root_password": {"type": "str", "required": True, "no_log": True},
            "users": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "password": {"type": "str", "required": True, "no_log": True},
                    "prefix": {"type": "str", "required": True},
                },
            },
        },
        required_together=[("cert_file", "key_file")],
        supports_check_mode=True,
    )
    options = module.params
    users = [User(entry["name"], entry["password"], entry["prefix"]) for entry in options["users"]]
    try:
        transport = HttpsJson(options["url"], options["ca_file"], options["cert_file"], options["key_file"])
        etcd = Etcd(transport, time.monotonic, time.sleep)
        outcome = authorise(etcd, options["root_password"], users, options["timeout"], module.check_mode)
    except (EtcdError, Unreachable, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
