"""How long the database takes, as the service tells it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
from conftest import send

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
    assert (await send(client, reading())).status_code == 200
    after = await durations(client)
    for kind in ("execute", "copy", "commit"):
        assert after[kind][0] > before[kind][0], kind
    assert after["commit"][1] - before["commit"][1] >= 0.3
