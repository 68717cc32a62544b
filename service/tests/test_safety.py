"""What was acknowledged is stored, once; what was not stored is not acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import psycopg
import pytest
import servers
from conftest import client_of, fields, key, send, stored
from proxy import LossyProxy, lossy_proxy
from sqlalchemy import text

from kojo_mes.api import create_app
from kojo_mes.kit.database import Database, DatabaseUnavailable, WriteSession
from kojo_mes.kit.settings import ApiSettings

Make = Callable[..., dict[str, Any]]

# sequences don't roll back, so a trigger can tell the first time from the second
AT_COMMIT = """
    CREATE SEQUENCE mes.attempt;
    CREATE FUNCTION mes.at_commit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF nextval('mes.attempt') <= {times} THEN {action}; END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON mes.idempotency_key
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mes.at_commit();
"""
DURING = AT_COMMIT.replace("DEFERRABLE INITIALLY DEFERRED", "NOT DEFERRABLE")
END_BACKEND = "PERFORM pg_terminate_backend(pg_backend_pid())"


def arrange(admin: psycopg.Connection, moment: str, action: str, times: int = 1) -> None:
    admin.execute(moment.format(action=action, times=times).encode())


async def test_a_commit_that_fails_is_not_acknowledged(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection
) -> None:
    arrange(admin, AT_COMMIT, "RAISE EXCEPTION 'no'", times=1000)
    answer = await send(client, reading())
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert stored(admin) == 0


@pytest.mark.parametrize("moment", [DURING, AT_COMMIT], ids=["during the work", "during COMMIT"])
async def test_a_backend_that_is_killed_is_survived(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection, moment: str
) -> None:
    arrange(admin, moment, END_BACKEND)
    answer = await send(client, reading())
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    assert stored(admin) == 1
    assert admin.execute("SELECT last_value FROM mes.attempt").fetchone() == (2,)


@pytest.mark.parametrize("sqlstate", ["40001", "40P01", "25006"])
async def test_a_conflict_or_a_demoted_primary_is_survived(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection, sqlstate: str
) -> None:
    arrange(admin, DURING, f"RAISE EXCEPTION USING ERRCODE = '{sqlstate}'")
    assert (await send(client, reading())).json()["accepted"] == 1
    assert stored(admin) == 1


@pytest.fixture
async def proxy(postgres: servers.Postgres) -> AsyncIterator[LossyProxy]:
    async with lossy_proxy(postgres.port) as proxy:
        yield proxy


@pytest.fixture
def proxied(variables: dict[str, str], proxy: LossyProxy) -> ApiSettings:
    return ApiSettings(**fields(variables | {"KOJO_MES_DATABASE_HOSTS": f"127.0.0.1:{proxy.port}"}))


async def test_a_commit_of_unknown_outcome_is_repeated_under_its_key(
    proxied: ApiSettings, proxy: LossyProxy, reading: Make, admin: psycopg.Connection
) -> None:
    headers = key()
    proxy.lose_with = headers["Idempotency-Key"].encode()
    async with client_of(create_app(proxied)) as client:
        answer = await send(client, reading(), **headers)
    assert proxy.lost == 1
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    assert stored(admin) == 1
    assert admin.execute("SELECT sum(received) FROM mes.line_total").fetchone() == (1,)


async def test_a_commit_of_unknown_outcome_without_a_key_is_not_repeated(
    proxied: ApiSettings, proxy: LossyProxy, admin: psycopg.Connection
) -> None:
    async def work(session: WriteSession) -> None:
        await session.execute(text("UPDATE mes.line_total SET late = late + 1"))

    admin.execute("INSERT INTO mes.line_total VALUES ('line-1', 0, 0, 0, 0, 0, 0, 0, now())")
    database = Database(proxied)
    proxy.lose_with = b"line_total"
    with pytest.raises(DatabaseUnavailable):
        await database.write(work)
    await database.close()
    assert admin.execute("SELECT late FROM mes.line_total").fetchone() == (1,)


async def test_no_pool_stays_with_a_demoted_primary(
    settings: ApiSettings, postgres: servers.Postgres, admin: psycopg.Connection
) -> None:
    """The pooled connection's server has become read-only; a new connection finds one that is not."""

    async def demote(session: WriteSession) -> None:
        await session.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))

    async def work(session: WriteSession) -> None:
        await session.execute(text("UPDATE mes.write_probe SET written_at = now()"))

    database = Database(settings)
    await database.write(demote)
    await database.write(work)
    await database.close()


async def test_a_stuck_database_is_answered_for_within_the_deadline(
    variables: dict[str, str], reading: Make, admin: psycopg.Connection
) -> None:
    batch, headers = reading(), key()
    impatient = ApiSettings(**fields(variables | {"KOJO_MES_DATABASE_DEADLINE": "1"}))
    with admin.transaction():
        admin.execute("LOCK TABLE mes.reading")
        async with client_of(create_app(impatient)) as client:
            answer = await asyncio.wait_for(send(client, batch, **headers), 30)  # not the table's lock, which is held
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert (await client.get("/health")).status_code == 200
    async with client_of(create_app(ApiSettings(**fields(variables)))) as client:
        again = await send(client, batch, **headers)
    assert (again.status_code, again.json()["accepted"]) == (200, 1)
    assert stored(admin) == 1


async def test_no_database_is_503_everywhere_but_in_health(
    variables: dict[str, str], reading: Make, admin: psycopg.Connection
) -> None:
    nowhere = {"KOJO_MES_DATABASE_HOSTS": "127.0.0.1:1", "KOJO_MES_DATABASE_DEADLINE": "0.3"}
    async with client_of(create_app(ApiSettings(**fields(variables | nowhere)))) as client:
        answers = [
            await send(client, reading()),
            await client.get("/api/v1/lines"),
            await client.get("/api/v1/readings/latest"),
        ]
        assert {(answer.status_code, answer.headers["content-type"]) for answer in answers} == {
            (503, "application/problem+json")
        }
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/health/ready")).status_code == 503
        assert (await client.get("/health/database")).status_code == 503
        assert "manufacturing_db_up 0.0" in (await client.get("/metrics")).text


async def test_the_same_batch_at_once_is_stored_once(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection
) -> None:
    batch, headers = reading(), key()
    answers = await asyncio.gather(*(send(client, batch, **headers) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["accepted"] for answer in answers} == {1}
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 5
    assert admin.execute("SELECT sum(received) FROM mes.line_total").fetchone() == (1,)
