"""What the service does of its own accord is no change past the service: the alert on those must not cry wolf."""

from __future__ import annotations

import asyncio

import httpx
import psycopg
import servers
from conftest import environment, fields

from kojo_mes.kit.settings import MigrationSettings
from kojo_mes.lines.plant import Plant
from kojo_mes.migrate import migrate


def out_of_band(connection: psycopg.Connection) -> list[tuple[str, ...]]:
    return connection.execute(
        "SELECT DISTINCT action, record_type FROM mes.audit_event WHERE source = 'database'"
    ).fetchall()


def test_a_migration_is_on_record_once_and_as_what_it_is(
    postgres: servers.Postgres, empty_database: str, plant: Plant
) -> None:
    owner = MigrationSettings(**fields(environment(postgres, empty_database)))
    changes = migrate(owner, plant)
    migrate(owner, plant)
    page = plant.model_copy(update={"lines": plant.lines[:1]})
    with postgres.connect(empty_database) as connection:
        (first,) = connection.execute(
            "SELECT actor_kind, source, new FROM mes.audit_event WHERE action = 'schema:migrate'"
        ).fetchall()
        assert first == ("system", "service", {"changes": changes})
        migrate(owner, page)
        assert out_of_band(connection) == []


async def test_neither_is_housekeeping(client: httpx.AsyncClient, admin: psycopg.Connection) -> None:
    """Months are held by it, which are records."""
    async with asyncio.timeout(120):
        while True:
            if admin.execute("SELECT FROM mes.audit_event WHERE action = 'retention:hold'").fetchall():
                break
            await asyncio.sleep(0.05)
    assert out_of_band(admin) == []


async def test_what_comes_past_the_service_can_be_counted_from_the_first(client: httpx.AsyncClient) -> None:
    """A series that began at 1 would show no increase."""
    metrics = (await client.get("/metrics")).text
    assert all(f'audit_sealed_entries_total{{source="{source}"}}' in metrics for source in ("service", "database"))


def test_the_owners_own_change_is_one(postgres: servers.Postgres, database: str, admin: psycopg.Connection) -> None:
    assert out_of_band(admin) == []
    with postgres.connect(database, "kojo_owner") as owner:
        owner.execute("""UPDATE mes.product SET name = '{"en": "another"}'""")
    assert out_of_band(admin) == [("product:update", "product")]
