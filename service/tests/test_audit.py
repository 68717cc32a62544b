"""Audit rows: in the change's own transaction, append-only to everybody, written by the tables when nobody else did."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import servers
from people import somebody
from prometheus_client import REGISTRY
from psycopg import errors, sql
from psycopg.rows import dict_row
from sqlalchemy import text
from trail import forget

from kojo_mes.kit.audit import RecordRef, record
from kojo_mes.kit.database import Database, WriteSession
from kojo_mes.kit.problems import Problem
from kojo_mes.kit.security import Actor
from kojo_mes.kit.settings import ApiSettings

ACTOR = Actor("person", "p-1", "工場 花子", frozenset({"operator", "line_leader"}), "request-1", None)


@pytest.fixture
async def service(settings: ApiSettings, admin: psycopg.Connection) -> Any:
    forget(admin)
    database = Database(settings)
    yield database
    await database.close()


@pytest.fixture
def watched(admin: psycopg.Connection) -> str:
    """A table of some domain, watched as migrations do it."""
    forget(admin)
    admin.execute("CREATE TABLE mes.thing (area text, id integer, name text, secret text, PRIMARY KEY (id, area))")
    admin.execute("GRANT ALL ON mes.thing TO kojo_app")
    admin.execute("SELECT mes.audit_table('mes.thing', 'secret')")
    return "mes.thing"


def events(admin: psycopg.Connection) -> list[dict[str, Any]]:
    with admin.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT * FROM mes.audit_event ORDER BY id").fetchall()


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def write_one(session: WriteSession) -> int:
    return await record(
        session,
        ACTOR,
        "thing:rename",
        RecordRef("thing", "7", 3),
        old={"name": "a", "mass": Decimal("1.10")},
        new={"name": "ね\0じ", "at": datetime(2026, 1, 5, 8, 30, tzinfo=UTC), "count": 2**60},
        reason="it was wrong",
    )


async def test_a_row_says_who_when_what_and_why(service: Database, admin: psycopg.Connection) -> None:
    before, counted = datetime.now(UTC), metric("audit_log_entries_total", domain="thing")
    number = await service.write(write_one)
    [row] = events(admin)
    assert row.pop("id") == number
    assert row.pop("xid")
    at = row.pop("at")
    assert before < at < datetime.now(UTC)
    assert row == {
        "source": "service",
        "actor_kind": "person",
        "actor_id": "p-1",
        "actor_name": "工場 花子",
        "actor_roles": ["line_leader", "operator"],
        "action": "thing:rename",
        "record_type": "thing",
        "record_id": "7",
        "record_version": 3,
        "old": {"name": "a", "mass": "1.10"},
        "new": {"name": "ね\ufffdじ", "at": "2026-01-05T08:30:00.000000Z", "count": str(2**60)},
        "reason": "it was wrong",
        "request_id": "request-1",
    }
    assert metric("audit_log_entries_total", domain="thing") == counted + 1


async def test_the_row_goes_with_its_transaction(service: Database, admin: psycopg.Connection) -> None:
    counted = metric("audit_log_entries_total", domain="thing")

    async def fail(session: WriteSession) -> None:
        await write_one(session)
        raise RuntimeError("the domain refused")

    with pytest.raises(RuntimeError):
        await service.write(fail)
    assert events(admin) == []
    assert metric("audit_log_entries_total", domain="thing") == counted, "what didn't happen isn't counted"


@pytest.mark.parametrize("sqlstate", ["53100", "53200"])
async def test_no_room_for_the_row_refuses_the_write_and_only_that(
    service: Database, admin: psycopg.Connection, watched: str, sqlstate: str
) -> None:
    admin.execute(
        "CREATE FUNCTION mes.full() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE 'no space left on device' USING ERRCODE = '{sqlstate}'; END $$"
    )
    admin.execute("CREATE TRIGGER a_full BEFORE INSERT ON mes.audit_event FOR EACH ROW EXECUTE FUNCTION mes.full()")
    failures = metric("audit_write_failures_total")

    async def work(session: WriteSession) -> None:
        await session.execute(text("INSERT INTO mes.thing VALUES ('a', 1, 'x', 'y')"))
        await write_one(session)

    with pytest.raises(Problem) as caught:
        await service.write(work)
    assert caught.value.document.status == 503
    assert caught.value.headers == {"Retry-After": "30"}
    assert metric("audit_write_failures_total") == failures + 1

    async def count(session: Any) -> int:
        return int((await session.execute(text("SELECT count(*) FROM mes.thing"))).scalar_one())

    assert await service.read(count) == 0, "reads go on, and the change is not there"


@pytest.mark.parametrize("table", ["audit_event", "audit_seal", "audit_journal_line"])
@pytest.mark.parametrize("statement", ["UPDATE mes.{} SET {} = {}", "DELETE FROM mes.{}", "TRUNCATE mes.{} CASCADE"])
@pytest.mark.parametrize("user", ["kojo_app", "kojo_audit", "kojo_owner", "postgres"])
async def test_nobody_changes_what_was_written(
    service: Database,
    postgres: servers.Postgres,
    admin: psycopg.Connection,
    database: str,
    user: str,
    statement: str,
    table: str,
) -> None:
    await service.write(write_one)
    admin.execute(
        "INSERT INTO mes.audit_seal VALUES"
        " (1, now(), '1', 1, 0, '', '{}', sha256('{}'), decode(repeat('00', 64), 'hex'))"
    )
    admin.execute("INSERT INTO mes.audit_journal_line VALUES ('w', 1, sha256(''), '{}')")
    column = {"audit_event": "reason", "audit_seal": "body", "audit_journal_line": "line"}[table]
    with postgres.connect(database, user) as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement.format(table, column, column))


async def test_a_partition_by_its_own_name_is_no_way_round(service: Database, admin: psycopg.Connection) -> None:
    await service.write(write_one)
    row = admin.execute("SELECT relname FROM pg_class JOIN mes.audit_event AS event ON oid = event.tableoid").fetchone()
    assert row
    partition = sql.Identifier("mes", row[0])
    for role in ("origin", "replica"):
        admin.execute(f"SET session_replication_role = {role}")
        for statement in ("TRUNCATE {} CASCADE", "DELETE FROM {}", "UPDATE {} SET reason = ''"):
            with pytest.raises(errors.InsufficientPrivilege):
                admin.execute(sql.SQL(statement).format(partition))


@pytest.mark.parametrize("column", ["id", "at", "xid"])
def test_the_application_gives_no_row_its_number_time_or_place(
    postgres: servers.Postgres, database: str, column: str
) -> None:
    value = {"id": "1", "at": "now()", "xid": "'1'"}[column]
    refused = (errors.InsufficientPrivilege, errors.GeneratedAlways)
    with postgres.connect(database, "kojo_app") as connection, pytest.raises(refused):
        connection.execute(
            sql.SQL(
                "INSERT INTO mes.audit_event (source, actor_kind, actor_id, actor_name, actor_roles, action,"
                " record_type, record_id, {}) VALUES ('service', 'person', 'x', 'x', '{{}}', 'x', 'x', 'x', {})"
            ).format(sql.Identifier(column), sql.SQL(value))
        )


async def test_a_change_by_psql_leaves_a_row(
    postgres: servers.Postgres, database: str, admin: psycopg.Connection, watched: str
) -> None:
    with postgres.connect(database, "kojo_app") as connection:
        connection.execute("INSERT INTO mes.thing VALUES ('a', 1, 'x', 'hidden')")
        connection.execute("UPDATE mes.thing SET name = 'y'")
        connection.execute("UPDATE mes.thing SET name = name")
        connection.execute("DELETE FROM mes.thing")
        connection.execute("TRUNCATE mes.thing")
    rows = events(admin)
    assert [(row["action"], row["record_id"], row["old"], row["new"]) for row in rows] == [
        ("thing:insert", "1/a", None, {"area": "a", "id": 1, "name": "x"}),
        ("thing:update", "1/a", {"area": "a", "id": 1, "name": "x"}, {"area": "a", "id": 1, "name": "y"}),
        ("thing:delete", "1/a", {"area": "a", "id": 1, "name": "y"}, None),
        ("thing:truncate", "", None, None),
    ]
    assert {(row["actor_kind"], row["actor_id"], row["source"]) for row in rows} == {
        ("database", "kojo_app", "database")
    }


async def test_a_change_of_the_service_leaves_its_own_row_only(
    service: Database, admin: psycopg.Connection, watched: str
) -> None:
    async def work(session: WriteSession) -> None:
        await session.execute(text("INSERT INTO mes.thing VALUES ('a', 1, 'x', 'y')"))
        await write_one(session)
        await session.execute(text("UPDATE mes.thing SET name = 'z'"))

    await service.write(work)
    assert [row["action"] for row in events(admin)] == ["thing:rename"]


async def test_a_service_that_forgets_its_row_is_told_on(
    service: Database, admin: psycopg.Connection, watched: str
) -> None:
    async def work(session: WriteSession) -> None:
        await session.execute(text("INSERT INTO mes.thing VALUES ('a', 1, 'x', 'y')"))

    await service.write(work)
    assert [row["source"] for row in events(admin)] == ["database"]


async def test_a_setting_hides_nothing(
    postgres: servers.Postgres, database: str, admin: psycopg.Connection, watched: str
) -> None:
    with postgres.connect(database, "kojo_app") as connection, connection.transaction():
        connection.execute("SELECT set_config('mes.audited', pg_current_xact_id()::text, true)")
        connection.execute("INSERT INTO mes.thing VALUES ('a', 1, 'x', 'y')")
    assert [row["action"] for row in events(admin)] == ["thing:insert"]


@pytest.mark.parametrize(
    ("action", "record_type"),
    [("other:rename", "other"), ("denied", "thing"), ("schema:migrate", "schema")],
    ids=["of another record", "of an attempt", "of a migration that the application can't make"],
)
async def test_a_row_of_something_else_hides_nothing(
    service: Database, admin: psycopg.Connection, watched: str, action: str, record_type: str
) -> None:
    async def work(session: WriteSession) -> None:
        await record(session, ACTOR, action, RecordRef(record_type, "7"))
        await session.execute(text("INSERT INTO mes.thing VALUES ('a', 1, 'x', 'y')"))

    await service.write(work)
    assert [row["action"] for row in events(admin)] == [action, "thing:insert"]


async def test_a_row_of_another_transaction_hides_nothing(
    service: Database, postgres: servers.Postgres, database: str, admin: psycopg.Connection, watched: str
) -> None:
    await service.write(write_one)
    with postgres.connect(database, "kojo_app") as connection:
        connection.execute("INSERT INTO mes.thing VALUES ('a', 1, 'x', 'y')")
    assert [row["action"] for row in events(admin)] == ["thing:rename", "thing:insert"]


async def test_no_table_of_people_is_silenced_by_a_row_of_another(service: Database, admin: psycopg.Connection) -> None:
    """As an intruder with the application's own login would do it."""
    person = somebody(admin, "quality_manager")
    forget(admin)

    async def work(session: WriteSession) -> None:
        await session.execute(text("SELECT set_config('mes.audited', pg_current_xact_id()::text, true)"))
        await write_one(session)
        await session.execute(text("UPDATE mes.qualification SET revoked_at = now(), revoked_by = 'x'"))

    await service.write(work)
    rows = [(row["action"], row["actor_id"], row["new"] and row["new"].get("person_id")) for row in events(admin)]
    assert rows == [("thing:rename", "p-1", None), ("qualification:update", "kojo_app", person.id)]


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("site", "timezone = 'UTC'"),
        ("area", "position = 9"),
        ("line", "micro_stop_limit = 3000"),
        ("work_cell", "position = 9"),
        ("equipment", "temperature_limit = 500"),
        ("sensor", "name = 'x' || id"),
    ],
)
def test_the_plant_does_not_change_unseen(admin: psycopg.Connection, table: str, change: str) -> None:
    admin.execute("INSERT INTO mes.area VALUES ('hall', '{}', 1)")
    admin.execute("INSERT INTO mes.work_cell VALUES ('cell', 'line-1', '{}', 1)")
    forget(admin)
    statement = sql.SQL("UPDATE {} SET {}").format(sql.Identifier("mes", table), sql.SQL(change))
    count = admin.execute(statement).rowcount
    assert count > 0
    assert [(row["action"], row["actor_id"]) for row in events(admin)] == [(f"{table}:update", "postgres")] * count
