"""The kit of writes: idempotency, denials, versions, pages, tables; on a domain of the tests' own."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import httpx
import psycopg
import pytest
from conftest import client_of
from fastapi import APIRouter, Depends, FastAPI, Response
from hypothesis import given
from hypothesis import strategies as st
from people import Somebody, somebody
from pydantic import BaseModel
from servers import wait_until
from sqlalchemy import text

from kojo_mes.api import create_app
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.pages import cursor_of, encode
from kojo_mes.kit.security import Permission
from kojo_mes.kit.settings import ApiSettings
from kojo_mes.kit.states import Transitions
from kojo_mes.kit.tables import table
from kojo_mes.kit.versions import IfMatch, require
from kojo_mes.kit.writes import Write, writing


class Light(StrEnum):
    RED = "red"
    GREEN = "green"
    OFF = "off"


class Wish(BaseModel):
    wanted: Light


class Lamp(BaseModel):
    state: Light
    version: int
    secret: str | None = None


LIGHTS = Transitions({Light.RED: frozenset({Light.GREEN, Light.OFF}), Light.GREEN: frozenset({Light.RED})})
REF = RecordRef("lamp", "lamp-1", 7)
GATE = 7  # an advisory lock: whoever has it lets no lamp be switched
router = APIRouter()


@router.post("/lamp", response_model=Lamp)
async def switch(
    write: Annotated[Write, Depends(writing(Permission.PEOPLE_KEEP))], body: Wish, version: IfMatch
) -> Response:
    """Each run leaves a row: how often it ran is to be seen."""

    async def work(session: WriteSession) -> Lamp:
        await audit.record(session, write.actor, "lamp:switch", REF, new={"state": body.wanted})
        await session.execute(text("SELECT pg_advisory_xact_lock_shared(:gate)"), {"gate": GATE})
        require(7, version)
        LIGHTS.check(REF, Light.RED, body.wanted)
        return Lamp(state=body.wanted, version=8, secret="shown once")  # noqa: S106

    return await write.run(work, once={"secret"})


@pytest.fixture
def app(settings: ApiSettings) -> FastAPI:
    app = create_app(settings)
    app.include_router(router)
    return app


@pytest.fixture
async def lamp(app: FastAPI, admin: psycopg.Connection) -> AsyncIterator[tuple[httpx.AsyncClient, Somebody]]:
    person = somebody(admin, "administrator")
    async with client_of(app) as client:
        client.headers.update(person.headers(app) | {"If-Match": '"7"'})
        yield client, person


def runs(admin: psycopg.Connection) -> int:
    row = admin.execute("SELECT count(*) FROM mes.audit_event WHERE action = 'lamp:switch'").fetchone()
    assert row
    return int(row[0])


async def test_a_write_runs_once_a_key(
    lamp: tuple[httpx.AsyncClient, Somebody], app: FastAPI, admin: psycopg.Connection
) -> None:
    client, _person = lamp
    first = await client.post("/lamp", json={"wanted": "green"})
    again = await client.post("/lamp", json={"wanted": "green"})
    assert (first.status_code, first.headers["ETag"]) == (again.status_code, again.headers["ETag"]) == (200, '"8"')
    assert first.json() == again.json() | {"secret": "shown once"} != again.json()
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")
    assert runs(admin) == 1
    other = await client.post("/lamp", json={"wanted": "off"})
    assert (other.status_code, other.json()["type"]) == (422, "urn:kojo:problem:idempotency-key-reused")
    elsewhere = await client.post("/lamp?x=1", json={"wanted": "green"})
    assert elsewhere.status_code == 422, "the same body elsewhere is another request"
    stranger = somebody(admin, "administrator").headers(app) | {"Idempotency-Key": client.headers["Idempotency-Key"]}
    assert (await client.post("/lamp", json={"wanted": "green"}, headers=stranger)).status_code == 200
    assert runs(admin) == 2, "keys are each actor's own"
    # the fingerprint is keyed: the hash of a body, which may hold a password, is not in the database
    rows = admin.execute(
        "SELECT count(DISTINCT request_hash), bool_and(response::text !~ 'secret') FROM mes.idempotency_key"
    )
    assert rows.fetchone() == (1, True)


async def test_a_key_in_flight_is_409(lamp: tuple[httpx.AsyncClient, Somebody], admin: psycopg.Connection) -> None:
    client, _person = lamp
    wish = {"wanted": "green"}
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with admin.transaction():
        admin.execute("SELECT pg_advisory_xact_lock(%s)", (GATE,))
        first = asyncio.create_task(client.post("/lamp", json=wish))
        await asyncio.to_thread(wait_until, lambda: admin.execute(waits).fetchone() == (1,), "the first at the gate")
        answer = await client.post("/lamp", json=wish)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:kojo:problem:idempotency-key-in-flight")
    assert answer.headers["Retry-After"] == "1"
    assert (await first).status_code == 200
    assert (await client.post("/lamp", json=wish)).headers["Idempotency-Replayed"] == "true"
    assert runs(admin) == 1


async def test_what_is_denied_is_rolled_back_and_on_record(
    lamp: tuple[httpx.AsyncClient, Somebody], admin: psycopg.Connection
) -> None:
    client, person = lamp
    answer = await client.post("/lamp", json={"wanted": "red"})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:kojo:problem:illegal-transition")
    assert answer.json()["title"] == "lamp lamp-1 is red and can't become red"
    assert answer.json()["detail"] == "Possible: green, off."
    assert runs(admin) == 0
    entry = admin.execute(
        "SELECT actor_id, record_id, record_version, new, reason, request_id FROM mes.audit_event"
        " WHERE action = 'denied'"
    ).fetchone()
    assert entry
    assert entry[:4] == (person.id, "lamp-1", 7, {"wanted": "red → red"})
    assert "can't become red" in entry[4]
    assert entry[5] == answer.headers["X-Request-Id"]
    corrected = await client.post("/lamp", json={"wanted": "green"})
    assert corrected.status_code == 200, "nothing was stored under the key, so that it may be used again"


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({"If-Match": '"6"'}, 412, "version-changed"),
        ({"If-Match": "7"}, 422, "invalid-request"),
        ({"If-Match": "*"}, 422, "invalid-request"),
        ({"If-Match": 'W/"7"'}, 422, "invalid-request"),
        ({"Idempotency-Key": "short"}, 422, "invalid-request"),
        ({"Idempotency-Key": "k" * 129}, 422, "invalid-request"),
        ({"Idempotency-Key": "with a space in it"}, 422, "invalid-request"),
    ],
)
async def test_conditions_of_a_write(
    lamp: tuple[httpx.AsyncClient, Somebody],
    admin: psycopg.Connection,
    headers: dict[str, str],
    status: int,
    kind: str,
) -> None:
    client, _person = lamp
    answer = await client.post("/lamp", json={"wanted": "green"}, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:kojo:problem:{kind}")
    assert runs(admin) == 0


async def test_a_write_without_version_or_key_says_so(lamp: tuple[httpx.AsyncClient, Somebody]) -> None:
    client, _person = lamp
    del client.headers["If-Match"]
    assert (await client.post("/lamp", json={"wanted": "green"})).status_code == 428
    del client.headers["Idempotency-Key"]
    answer = await client.post("/lamp", json={"wanted": "green"}, headers={"If-Match": '"7"'})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key")


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    st.text().filter(lambda word: "\0" not in word),
    st.integers(-(2**63), 2**63 - 1),
)
def test_a_cursor_comes_back_as_it_went(time: datetime, word: str, number: int) -> None:
    assert asyncio.run(cursor_of(datetime, str, int)(encode(time, word, number))) == (time, word, number)


@pytest.mark.parametrize(
    "given_",
    [
        "",
        "x",
        "!",
        "é",
        encode(1, 2),
        encode("a"),
        encode("2026-01-01T00:00:00", "naive"),
        encode("now", "a\0b"),
        "bnVsbA",
    ],
)
def test_what_is_no_cursor_is_refused(given_: str) -> None:
    with pytest.raises(Exception, match="not valid") as caught:
        asyncio.run(cursor_of(datetime, str)(given_))
    assert getattr(caught.value, "status_code", None) == 422


class Row(BaseModel):
    name: Any
    value: Any


@given(st.lists(st.tuples(st.text(), st.floats(allow_nan=False, allow_infinity=False) | st.text())))
def test_no_cell_of_a_table_is_a_formula(rows: list[tuple[Any, Any]]) -> None:
    answer = table("x", ["name", "value"], [Row(name=name, value=value) for name, value in rows])
    cells = list(csv.reader(io.StringIO(bytes(answer.body).decode("utf-8-sig"), newline="")))
    assert cells[0] == ["name", "value"]
    assert len(cells) == len(rows) + 1
    for row, (name, value) in zip(cells[1:], rows, strict=True):
        for cell, given_ in zip(row, (name, value), strict=True):
            assert cell.removeprefix("'") == str(given_).removeprefix("'")
            if isinstance(given_, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r"):
                float(cell)  # only numbers begin so


def test_ids_sort_by_time_and_are_version_7() -> None:
    before = datetime.now(UTC)
    made = [new_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert {(uuid.UUID(item).version, uuid.UUID(item).variant) for item in made} == {(7, uuid.RFC_4122)}
    stamps = [item.replace("-", "")[:12] for item in made]
    assert stamps == sorted(stamps)
    first = datetime.fromtimestamp(int(stamps[0], 16) / 1000, UTC)
    assert abs(first - before) < timedelta(seconds=5)


def test_a_cursor_is_opaque_but_no_secret() -> None:
    assert json.loads(base64.urlsafe_b64decode(encode("press-1") + "==")) == ["press-1"]
