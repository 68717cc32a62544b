"""The statements that a state of the server leads to. That PostgreSQL takes them is tests/plant's to show."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.psql import NotRunning, Refused
from ansible_collections.kojo.plant.plugins.module_utils.scram import matches, verifier
from ansible_collections.kojo.plant.plugins.modules.postgresql_access import grant_access

APP = {"name": "kojo_app", "password": "secret", "member_of": [], "execute": []}
KOJO = {"name": "kojo", "owner": "kojo_owner", "connect": ["kojo_app"]}


class Server:
    """Answers the first call, the question for its state; keeps the statements of the others."""

    def __init__(self, roles: dict[str, Any] | None = None, databases: dict[str, Any] | None = None) -> None:
        self.state = {"recovery": False, "roles": roles, "databases": databases or {}}
        self.asked = False
        self.statements: list[str] = []

    def __call__(self, database: str, sql: str) -> str:
        if self.asked:
            self.statements += [line.removesuffix(";") for line in sql.splitlines()]
            return ""
        self.asked = True
        return json.dumps(self.state)


def role(**changes: Any) -> dict[str, Any]:
    return {"plain": True, "password": verifier("secret"), "member_of": [], "execute": [], **changes}


def options(**changes: Any) -> dict[str, Any]:
    return {"roles": [], "passwords": {}, "databases": [], **changes}


def test_a_role_is_made_without_privileges() -> None:
    server = Server()
    outcome = grant_access(options(roles=[APP]), server, check_mode=False)
    assert outcome["actions"] == ["make role kojo_app", "set password of kojo_app"]
    begin, create, password, commit = server.statements
    assert (begin, commit) == ("BEGIN", "COMMIT")
    assert create == (
        'CREATE ROLE "kojo_app" LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS'
    )
    assert password.startswith('ALTER ROLE "kojo_app" PASSWORD \'SCRAM-SHA-256$')
    assert matches("secret", password.split("'")[1])


def test_a_role_that_is_as_wanted_is_left() -> None:
    server = Server({"kojo_app": role()})
    assert not grant_access(options(roles=[APP]), server, False)["changed"]
    assert server.statements == []


@pytest.mark.parametrize("kept", [None, verifier("another"), "md5d41d8cd98f00b204e9800998ecf8427e"])
def test_another_password_is_replaced(kept: str | None) -> None:
    server = Server({"kojo_app": role(password=kept)})
    assert grant_access(options(roles=[APP]), server, False)["actions"] == ["set password of kojo_app"]


def test_privileges_that_a_role_gained_elsewhere_are_taken() -> None:
    server = Server({"kojo_app": role(plain=False, member_of=["pg_monitor"], execute=["pg_switch_wal()"])})
    grant_access(options(roles=[APP]), server, False)
    assert server.statements[1:-1] == [
        'ALTER ROLE "kojo_app" LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS',
        'REVOKE "pg_monitor" FROM "kojo_app"',
        'REVOKE EXECUTE ON FUNCTION pg_switch_wal() FROM "kojo_app"',
    ]


def test_a_role_without_a_password_loses_the_one_it_has() -> None:
    server = Server({"kojo_app": role()})
    grant_access(options(roles=[{**APP, "password": None}]), server, False)
    assert server.statements[1:-1] == ['ALTER ROLE "kojo_app" PASSWORD NULL']


def test_a_database_is_closed_to_everybody_else() -> None:
    server = Server({"kojo_app": role()})
    outcome = grant_access(options(databases=[KOJO]), server, False)
    assert outcome["actions"][0] == "make database kojo"
    assert server.statements == [
        'CREATE DATABASE "kojo"',
        "BEGIN",
        'ALTER DATABASE "kojo" OWNER TO "kojo_owner"',
        'REVOKE ALL ON DATABASE "kojo" FROM PUBLIC',
        'GRANT CONNECT ON DATABASE "kojo" TO "kojo_app"',
        "COMMIT",
    ]


def test_a_database_that_is_as_wanted_is_left() -> None:
    server = Server({}, {"kojo": {"owner": "kojo_owner", "public": False, "connect": ["kojo_app"]}})
    assert not grant_access(options(databases=[KOJO]), server, False)["changed"]


def test_who_may_no_longer_connect_is_shut_out() -> None:
    server = Server({}, {"kojo": {"owner": "kojo_owner", "public": False, "connect": ["guest", "kojo_app"]}})
    grant_access(options(databases=[KOJO]), server, False)
    assert server.statements[1:-1] == ['REVOKE CONNECT ON DATABASE "kojo" FROM "guest"']


def test_only_the_password_of_a_role_that_others_make_is_set() -> None:
    server = Server({"replicator": role(plain=False, password=verifier("old"))})
    outcome = grant_access(options(passwords={"replicator": "new"}), server, False)
    assert outcome["actions"] == ["set password of replicator"]


def test_a_password_for_nobody_is_an_error() -> None:
    with pytest.raises(Refused, match="no role 'replicatr'"):
        grant_access(options(passwords={"replicatr": "new"}), Server({}), False)


def test_a_standby_is_refused() -> None:
    server = Server({})
    server.state["recovery"] = True
    with pytest.raises(Refused, match=r"standby.*run again"):
        grant_access(options(roles=[APP]), server, False)
    assert server.statements == []


def test_check_mode_writes_nothing() -> None:
    server = Server({})
    outcome = grant_access(options(roles=[APP], databases=[KOJO]), server, check_mode=True)
    assert outcome["changed"]
    assert "make database kojo\n" in outcome["diff"]["after"]
    assert server.statements == []


def test_check_mode_on_a_bare_host_would_make_it_all() -> None:
    def bare(database: str, sql: str) -> str:
        raise NotRunning

    outcome = grant_access(options(roles=[APP], passwords={"postgres": "x"}), bare, check_mode=True)
    assert outcome["actions"] == ["make role kojo_app", "set password of kojo_app"]


def test_no_secret_is_in_what_is_returned() -> None:
    assert "secret" not in str(grant_access(options(roles=[APP]), Server({}), False))


def test_a_name_with_a_quote_stays_a_name() -> None:
    server = Server({})
    grant_access(options(roles=[{**APP, "name": 'a"; DROP TABLE x; --'}]), server, False)
    assert server.statements[1].startswith('CREATE ROLE "a""; DROP TABLE x; --" LOGIN')
