"""The statements that a state of the server leads to. That PostgreSQL takes them is tests/plant's to show."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.psql import NotRunning, Refused
from ansible_collections.kojo.plant.plugins.modules.postgresql_event_trigger import ensure

OPTIONS = {"name": "kojo_retention", "database": "kojo", "event": "sql_drop", "function": "mes.refuse_drop"}
MAKE = [
    'CREATE EVENT TRIGGER "kojo_retention" ON sql_drop EXECUTE FUNCTION "mes"."refuse_drop"()',
    'ALTER EVENT TRIGGER "kojo_retention" ENABLE ALWAYS',
]


class Server:
    """Answers the first call, the question for its state; keeps the statements of the others."""

    def __init__(self, **state: Any) -> None:
        self.state = {"recovery": False, "function": True, "trigger": None, **state}
        self.statements: list[str] | None = None

    def __call__(self, database: str, sql: str) -> str:
        assert database == "kojo"
        if self.statements is None:
            self.statements = []
            return json.dumps(self.state)
        self.statements += [line.removesuffix(";") for line in sql.splitlines()]
        return ""


def trigger(**changes: Any) -> dict[str, Any]:
    return {"event": "sql_drop", "always": True, "same": True, **changes}


@pytest.mark.parametrize(
    ("present", "statements", "actions"),
    [
        (None, ["BEGIN", *MAKE, "COMMIT"], ["make event trigger kojo_retention"]),
        (trigger(), [], []),
        (trigger(always=False), ["BEGIN", MAKE[1], "COMMIT"], ["enable event trigger kojo_retention"]),
        *(
            (
                trigger(**another),
                ["BEGIN", 'DROP EVENT TRIGGER "kojo_retention"', *MAKE, "COMMIT"],
                ["replace event trigger kojo_retention"],
            )
            for another in ({"event": "ddl_command_end"}, {"same": False})
        ),
    ],
)
def test_the_trigger_becomes_as_wanted(
    present: dict[str, Any] | None, statements: list[str], actions: list[str]
) -> None:
    server = Server(trigger=present)
    done = ensure(OPTIONS, server, check_mode=False)
    assert (server.statements, done["actions"], done["changed"]) == (statements, actions, bool(actions))


def test_a_standby_is_left_to_its_primary() -> None:
    server = Server(recovery=True)
    assert not ensure(OPTIONS, server, False)["changed"]
    assert server.statements == []


def test_before_the_migration_there_is_nothing_to_call() -> None:
    with pytest.raises(Refused, match=r"mes\.refuse_drop\(\) isn't in the database kojo: migrate it first"):
        ensure(OPTIONS, Server(function=False), False)


@pytest.mark.parametrize("server", [Server(), Server(function=False)])
def test_check_mode_writes_nothing(server: Server) -> None:
    done = ensure(OPTIONS, server, check_mode=True)
    assert done["diff"]["after"] == "make event trigger kojo_retention\n"
    assert server.statements == []


def test_check_mode_on_a_bare_host_would_make_it() -> None:
    def bare(database: str, sql: str) -> str:
        raise NotRunning

    assert ensure(OPTIONS, bare, check_mode=True)["actions"] == ["make event trigger kojo_retention"]
    with pytest.raises(NotRunning):
        ensure(OPTIONS, bare, check_mode=False)


def test_a_name_with_a_quote_stays_a_name() -> None:
    server = Server()
    ensure({**OPTIONS, "name": 'a"; DROP TABLE x; --'}, server, False)
    assert server.statements
    assert server.statements[1].startswith('CREATE EVENT TRIGGER "a""; DROP TABLE x; --" ON')
