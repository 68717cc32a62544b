"""How long the database takes, as the service tells it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import psycopg
import pytest
import servers
from conftest import client_of, fields, key, send
from proxy import CountingProxy, counting_proxy

from kojo_mes.api import create_app
from kojo_mes.kit.settings import ApiSettings
from kojo_mes.readings.repository import FEW

Make = Callable[..., dict[str, Any]]
SLOW_COMMIT = """
    CREATE FUNCTION mes.slowly() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON mes.idempotency_key
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mes.slowly();
"""


async def durations(client: httpx.AsyncClient) -> dict[str, tuple[float, float]]:
    """Number and seconds of the statements so far, by kind."""
    text = (await client.get("/metrics")).text
    pattern = r'^manufacturing_db_statement_duration_seconds_(count|sum){kind="(\w+)"} (\S+)$'
    found: dict[str, dict[str, float]] = {}
    for what, kind, value in re.findall(pattern, text, re.MULTILINE):
        found.setdefault(kind, {})[what] = float(value)
    return {kind: (values["count"], values["sum"]) for kind, values in found.items()}


async def test_statements_copy_and_commit_are_timed(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection
) -> None:
    await send(client, reading())
    before = await durations(client)
    admin.execute(SLOW_COMMIT)
    assert (await send(client, *(reading() for _ in range(FEW + 1)))).status_code == 200
    after = await durations(client)
    for kind in ("execute", "copy", "commit"):
        assert after[kind][0] > before.get(kind, (0, 0))[0], kind
    assert after["commit"][1] - before["commit"][1] >= 0.3


@pytest.fixture
async def counted(postgres: servers.Postgres, variables: dict[str, str]) -> AsyncIterator[tuple[Any, CountingProxy]]:
    """An API whose way to its database is counted."""
    async with counting_proxy(postgres.port) as proxy:
        way = variables | {"KOJO_MES_DATABASE_HOSTS": f"127.0.0.1:{proxy.port}"}
        yield create_app(ApiSettings(**fields(way))), proxy


async def test_a_batch_waits_for_five_answers(counted: tuple[Any, CountingProxy], reading: Make) -> None:
    """BEGIN, the key, its sensors, the readings, COMMIT."""
    app, proxy = counted
    async with client_of(app) as client:
        for _ in range(3):
            own = key()
            proxy.about = own["Idempotency-Key"].encode()
            assert (await send(client, *(reading() for _ in range(30)), **own)).status_code == 200
    assert proxy.turns == [5, 5, 5]
