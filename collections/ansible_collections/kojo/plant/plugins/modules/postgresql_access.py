#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Roles, databases and who may connect to them, on the primary."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_access
short_description: Login roles, databases, and who may connect to them
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Makes login roles with no privilege but the named ones, and databases that only the named roles may connect to.
  - Runs C(psql) as the server's own user on the server's socket.
  - Everything is changed in one transaction, except that a database is created before it.
  - A password is compared with, and set as, a SCRAM-SHA-256 verifier. It is in no statement, log or process list.
  - Refuses a server in recovery. Roles and databases that aren't named stay.
options:
  roles:
    description: Login roles, neither superuser nor able to make roles or databases or to replicate.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The role.
        type: str
        required: true
      password:
        description: Its password. Without one, the role can log in by other means only, such as C(peer).
        type: str
      member_of:
        description: Roles whose privileges it has. It is taken out of others.
        type: list
        elements: str
        default: []
      execute:
        description: Functions in the database C(postgres) that it may call, with their argument types.
        type: list
        elements: str
        default: []
  passwords:
    description: Passwords of roles that others make, as Patroni does, by the role's name. Nothing else is changed.
    type: dict
    default: {}
  databases:
    description: The databases.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The database.
        type: str
        required: true
      owner:
        description: The role that owns it.
        type: str
        required: true
      connect:
        description: The other roles that may connect to it.
        type: list
        elements: str
        default: []
extends_documentation_fragment:
  - kojo.plant.psql
attributes:
  check_mode:
    support: full
    description: Where the server isn't running yet, everything counts as a change.
  diff_mode:
    support: full
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Let the service connect to its database
  kojo.plant.postgresql_access:
    roles:
      - {name: kojo_owner, password: "{{ plant_secrets.postgresql_owner_password }}"}
      - {name: kojo_app, password: "{{ plant_secrets.postgresql_app_password }}"}
    databases:
      - {name: kojo, owner: kojo_owner, connect: [kojo_app]}
  when: inventory_hostname == leader
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: [make role kojo_app, make database kojo]
"""

import json
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kojo.plant.plugins.module_utils.psql import (
    SERVER,
    NotRunning,
    Refused,
    Run,
    identifier,
    literal,
    psql,
)
from ansible_collections.kojo.plant.plugins.module_utils.scram import matches, verifier

ATTRIBUTES = "LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"

STATE = """
SELECT json_build_object(
  'recovery', pg_is_in_recovery(),
  'roles', (SELECT json_object_agg(rolname, json_build_object(
      'password', rolpassword,
      'plain', rolcanlogin AND rolinherit
               AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls),
      'member_of', (SELECT coalesce(json_agg(g.rolname ORDER BY g.rolname), '[]')
                    FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid),
      'execute', (SELECT coalesce(json_agg(p.oid::regprocedure::text), '[]')
                  FROM pg_proc p, aclexplode(p.proacl) a WHERE a.grantee = r.oid AND a.privilege_type = 'EXECUTE')))
    FROM pg_authid r WHERE r.oid >= 16384 OR r.rolname = current_user),
  'databases', (SELECT json_object_agg(datname, json_build_object(
      'owner', pg_get_userbyid(datdba),
      'public', datacl IS NULL OR EXISTS (SELECT FROM aclexplode(datacl) a WHERE a.grantee = 0),
      'connect', (SELECT coalesce(json_agg(pg_get_userbyid(a.grantee) ORDER BY 1), '[]')
                  FROM aclexplode(datacl) a WHERE a.grantee NOT IN (0, datdba) AND a.privilege_type = 'CONNECT')))
    FROM pg_database))
"""


@dataclass
class Plan:
    """Statements by the database they run in, and what they do in words."""

    actions: list[str] = field(default_factory=list)
    new_databases: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)

    def add(self, action: str, *statements: str) -> None:
        self.actions.append(action)
        self.statements.extend(statements)


def plan_password(plan: Plan, name: str, password: str | None, kept: str | None) -> None:
    if password is None:
        if kept is not None:
            plan.add(f"remove password of {name}", f"ALTER ROLE {identifier(name)} PASSWORD NULL")
    elif not matches(password, kept):
        plan.add(f"set password of {name}", f"ALTER ROLE {identifier(name)} PASSWORD {literal(verifier(password))}")


def plan_role(plan: Plan, role: dict[str, Any], present: dict[str, Any] | None) -> None:
    name, quoted = role["name"], identifier(role["name"])
    if present is None:
        plan.add(f"make role {name}", f"CREATE ROLE {quoted} {ATTRIBUTES}")
        present = {"plain": True, "password": None, "member_of": [], "execute": []}
    elif not present["plain"]:
        plan.add(f"take attributes from role {name}", f"ALTER ROLE {quoted} {ATTRIBUTES}")
    plan_password(plan, name, role["password"], present["password"])
    for group in sorted(set(role["member_of"]) - set(present["member_of"])):
        plan.add(f"put {name} into {group}", f"GRANT {identifier(group)} TO {quoted}")
    for group in sorted(set(present["member_of"]) - set(role["member_of"])):
        plan.add(f"take {name} out of {group}", f"REVOKE {identifier(group)} FROM {quoted}")
    for function in sorted(set(role["execute"]) - set(present["execute"])):
        plan.add(f"let {name} call {function}", f"GRANT EXECUTE ON FUNCTION {function} TO {quoted}")
    for function in sorted(set(present["execute"]) - set(role["execute"])):
        plan.add(f"no longer let {name} call {function}", f"REVOKE EXECUTE ON FUNCTION {function} FROM {quoted}")


def plan_database(plan: Plan, database: dict[str, Any], present: dict[str, Any] | None) -> None:
    name, quoted = database["name"], identifier(database["name"])
    if present is None:
        plan.new_databases.append(f"CREATE DATABASE {quoted}")
        plan.actions.append(f"make database {name}")
        present = {"owner": None, "public": True, "connect": []}
    if present["owner"] != database["owner"]:
        plan.add(
            f"give database {name} to {database['owner']}",
            f"ALTER DATABASE {quoted} OWNER TO {identifier(database['owner'])}",
        )
    if present["public"]:
        plan.add(f"close database {name} to everybody else", f"REVOKE ALL ON DATABASE {quoted} FROM PUBLIC")
    for role in sorted(set(database["connect"]) - set(present["connect"])):
        plan.add(f"let {role} connect to {name}", f"GRANT CONNECT ON DATABASE {quoted} TO {identifier(role)}")
    for role in sorted(set(present["connect"]) - set(database["connect"])):
        plan.add(
            f"no longer let {role} connect to {name}", f"REVOKE CONNECT ON DATABASE {quoted} FROM {identifier(role)}"
        )


def build(options: dict[str, Any], state: dict[str, Any]) -> Plan:
    plan = Plan()
    roles, databases = state["roles"] or {}, state["databases"] or {}
    for role in options["roles"]:
        plan_role(plan, role, roles.get(role["name"]))
    for name, password in options["passwords"].items():
        if name in roles:
            plan_password(plan, name, password, roles[name]["password"])
        else:
            raise Refused(f"passwords: there is no role {name!r}")
    for database in options["databases"]:
        plan_database(plan, database, databases.get(database["name"]))
    return plan


def grant_access(options: dict[str, Any], run: Run, check_mode: bool) -> dict[str, Any]:
    try:
        state = json.loads(run("postgres", STATE))
    except NotRunning:
        if not check_mode:
            raise
        plan = build({**options, "passwords": {}}, {"roles": None, "databases": None})
        return _outcome(plan)
    if state["recovery"]:
        raise Refused("this server is a standby: the primary has moved since it was asked for; run again")
    plan = build(options, state)
    if not check_mode:
        for statement in plan.new_databases:
            run("postgres", statement)
        if plan.statements:
            run("postgres", ";\n".join(["BEGIN", *plan.statements, "COMMIT"]))
    return _outcome(plan)


def _outcome(plan: Plan) -> dict[str, Any]:
    after = "".join(f"{action}\n" for action in plan.actions)
    return {"changed": bool(plan.actions), "actions": plan.actions, "diff": {"before": "", "after": after}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "roles": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "password": {"type": "str", "no_log": True},
                    "member_of": {"type": "list", "elements": "str", "default": []},
                    "execute": {"type": "list", "elements": "str", "default": []},
                },
            },
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "databases": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "owner": {"type": "str", "required": True},
                    "connect": {"type": "list", "elements": "str", "default": []},
                },
            },
            **SERVER,
        },
        supports_check_mode=True,
    )
    if module.get_bin_path("psql") is None and module.check_mode:
        module.exit_json(**_outcome(build({**module.params, "passwords": {}}, {"roles": None, "databases": None})))
    try:
        outcome = grant_access(module.params, psql(module), module.check_mode)
    except (Refused, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
