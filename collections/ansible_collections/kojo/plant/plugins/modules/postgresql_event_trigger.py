#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""An event trigger, which only the server's superuser can make."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_event_trigger
short_description: An event trigger, enabled always
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Makes an event trigger that calls a function of a database. PostgreSQL lets nobody but a superuser do that, so who
    owns the function can't. It fires for everybody, in sessions that replay a replica's changes as well.
  - Runs C(psql) as the server's own user on the server's socket.
  - Changes nothing on a standby, which gets what the primary has. So all members of a cluster may be asked at once.
options:
  name:
    description: The trigger.
    type: str
    required: true
  database:
    description: The database that it is in.
    type: str
    required: true
  event:
    description: What it fires at.
    type: str
    choices: [ddl_command_start, ddl_command_end, sql_drop, table_rewrite]
    required: true
  function:
    description: The function that it calls, with its schema and without its parentheses. It must be there.
    type: str
    required: true
extends_documentation_fragment:
  - kojo.plant.psql
attributes:
  check_mode:
    support: full
    description: Where the server, the database or the function isn't there yet, it counts as a change.
  diff_mode:
    support: full
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Let nobody drop what is held
  kojo.plant.postgresql_event_trigger:
    name: kojo_retention
    database: kojo
    event: sql_drop
    function: mes.refuse_drop
"""

RETURN = r"""
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: [make event trigger kojo_retention]
"""

import json
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

STATE = """
SELECT json_build_object(
  'recovery', pg_is_in_recovery(),
  'function', to_regprocedure({function} || '()') IS NOT NULL,
  'trigger', (SELECT json_build_object('event', evtevent, 'always', evtenabled = 'A',
                                       'same', evtfoid = to_regprocedure({function} || '()'))
              FROM pg_event_trigger WHERE evtname = {name}))
"""


# what is done in words, and its statements
Plan = tuple[str, list[str]]


def build(options: dict[str, Any], trigger: dict[str, Any] | None) -> Plan | None:
    name = identifier(options["name"])
    called = ".".join(identifier(part) for part in options["function"].split("."))
    enable = f"ALTER EVENT TRIGGER {name} ENABLE ALWAYS"
    make = [f"CREATE EVENT TRIGGER {name} ON {options['event']} EXECUTE FUNCTION {called}()", enable]
    if trigger is None:
        return f"make event trigger {options['name']}", make
    if trigger["event"] != options["event"] or not trigger["same"]:
        return f"replace event trigger {options['name']}", [f"DROP EVENT TRIGGER {name}", *make]
    return None if trigger["always"] else (f"enable event trigger {options['name']}", [enable])


def ensure(options: dict[str, Any], run: Run, check_mode: bool) -> dict[str, Any]:
    question = STATE.format(function=literal(options["function"]), name=literal(options["name"]))
    try:
        state = json.loads(run(options["database"], question))
    except NotRunning:
        if not check_mode:
            raise
        return outcome(build(options, None))
    if state["recovery"]:
        return outcome(None)
    if not state["function"] and not check_mode:
        raise Refused(f"{options['function']}() isn't in the database {options['database']}: migrate it first")
    plan = build(options, state["trigger"])
    if plan and not check_mode:
        run(options["database"], ";\n".join(["BEGIN", *plan[1], "COMMIT"]))
    return outcome(plan)


def outcome(plan: Plan | None) -> dict[str, Any]:
    actions = [plan[0]] if plan else []
    after = "".join(f"{action}\n" for action in actions)
    return {"changed": bool(actions), "actions": actions, "diff": {"before": "", "after": after}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "database": {"type": "str", "required": True},
            "event": {
                "type": "str",
                "required": True,
                "choices": ["ddl_command_start", "ddl_command_end", "sql_drop", "table_rewrite"],
            },
            "function": {"type": "str", "required": True},
            **SERVER,
        },
        supports_check_mode=True,
    )
    if module.get_bin_path("psql") is None and module.check_mode:
        module.exit_json(**outcome(build(module.params, None)))
    try:
        done = ensure(module.params, psql(module), module.check_mode)
    except (Refused, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**done)


if __name__ == "__main__":
    main()
