"""Months that are over are archived by themselves: once, whole, on record; and other hosts may fetch them."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx
import psycopg
import pytest
import servers
from conftest import client_of
from people import Somebody, somebody
from test_retention import EVENTS, MONTH, READINGS, command, key, month

from kojo_mes.api import create_app
from kojo_mes.kit.settings import ApiSettings, load
from kojo_mes.retention import repository, service

__all__ = ["month"]  # a fixture
T = TypeVar("T")
NAMES = [f"audit-{MONTH}", f"readings-{MONTH}"]


def actions(admin: psycopg.Connection) -> list[tuple[str, ...]]:
    return admin.execute(
        "SELECT action, record_id, source FROM mes.audit_event WHERE record_type = 'archive' ORDER BY id"
    ).fetchall()


def due(postgres: servers.Postgres, database: str) -> list[str]:
    with postgres.connect(database, "kojo_app") as connection:
        return [service.name_of(kind, first_day) for kind, first_day in repository.due(connection)]


def test_every_closed_month_gets_its_archive_once(
    month: Path,
    postgres: servers.Postgres,
    database: str,
    admin: psycopg.Connection,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KOJO_MES_MIGRATION_PASSWORD")  # the owner's: no host has it
    assert due(postgres, database) == NAMES
    assert command("due") == 0, capsys.readouterr().err
    assert capsys.readouterr().out.count("archived: ") == 2
    for name, rows in zip(NAMES, (EVENTS, READINGS), strict=True):
        folder = month / "archives" / name
        assert command("verify", folder, *key(month)) == 0
        assert json.loads((folder / "manifest.json").read_bytes())["body"]["rows"] == rows
    assert due(postgres, database) == []
    assert actions(admin) == [("archives:make", name, "service") for name in NAMES]

    before = sorted((path, path.stat().st_mtime_ns) for path in (month / "archives").rglob("*"))
    assert command("due") == 0
    assert "nothing to do: every closed month" in capsys.readouterr().out
    assert sorted((path, path.stat().st_mtime_ns) for path in (month / "archives").rglob("*")) == before


def test_a_run_that_was_cut_off_is_finished_by_the_next(
    month: Path, postgres: servers.Postgres, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cut while it wrote the first, and between the second's folder and its note."""
    half = month / "archives" / f".{NAMES[0]}"
    half.mkdir()
    (half / "rows.jsonl.gz").write_bytes(b"half a file")
    assert command("make", "readings", MONTH, month / "elsewhere") == 0
    manifest = (month / "elsewhere" / "manifest.json").read_bytes()
    (month / "elsewhere").rename(month / "archives" / NAMES[1])
    with postgres.connect(database) as connection:
        connection.execute("ALTER TABLE mes.archive DISABLE TRIGGER USER")
        connection.execute("DELETE FROM mes.archive")
    assert command("due") == 0, capsys.readouterr().err
    assert sorted(path.name for path in (month / "archives").iterdir()) == NAMES
    assert (month / "archives" / NAMES[1] / "manifest.json").read_bytes() == manifest
    assert due(postgres, database) == []


def test_what_came_back_from_the_disk_otherwise_is_not_noted(
    month: Path, postgres: servers.Postgres, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("make", "audit", MONTH, month / "archives" / NAMES[0]) == 0
    path = month / "archives" / NAMES[0] / "rows.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with postgres.connect(database) as connection:
        connection.execute("ALTER TABLE mes.archive DISABLE TRIGGER USER")
        connection.execute("DELETE FROM mes.archive")
    assert command("due") == 1
    assert "edited" in capsys.readouterr().err
    assert due(postgres, database)[0] == NAMES[0]


def test_one_host_does_it(
    month: Path, postgres: servers.Postgres, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with postgres.connect(database, "kojo_app") as other:
        assert repository.be_the_one(other)
        assert command("due") == 0
        assert "another host is at it" in capsys.readouterr().out
    assert list((month / "archives").iterdir()) == []


def test_without_its_settings_it_says_which(
    month: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("KOJO_MES_SEAL_KEY_FILE", "KOJO_MES_ARCHIVE_DIRECTORY"):
        monkeypatch.delenv(name)
    assert command("due") == 2
    assert {line.split(":")[0] for line in capsys.readouterr().err.splitlines()} == {
        "KOJO_MES_SEAL_KEY_FILE",
        "KOJO_MES_ARCHIVE_DIRECTORY",
    }


def test_checks_and_detachments_are_on_record(month: Path, admin: psycopg.Connection) -> None:
    folder = month / "archives" / NAMES[0]
    assert command("due") == 0
    assert command("restore", folder, *key(month)) == 0
    assert command("detach", "audit", MONTH) == 0
    assert actions(admin)[2:] == [
        ("archives:check", NAMES[0], "service"),
        ("archives:detach", NAMES[0], "service"),
    ]


@pytest.fixture
def auditor(admin: psycopg.Connection) -> Somebody:
    return somebody(admin, "auditor")


@pytest.fixture
async def client(month: Path, auditor: Somebody) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(load(ApiSettings))
    async with client_of(app) as client:
        client.headers.update(auditor.headers(app))
        yield client


async def eventually(ask: Callable[[], Awaitable[T | None]]) -> T:
    async with asyncio.timeout(120):
        while True:
            if (answer := await ask()) is not None:
                return answer
            await asyncio.sleep(0.05)


async def test_archives_are_listed_and_fetched(client: httpx.AsyncClient, month: Path) -> None:
    assert (await client.get("/api/v1/archives")).json()["items"] == []
    missing = await client.get(f"/api/v1/archives/{NAMES[0]}/manifest.json")
    assert missing.status_code == 404
    assert command("due") == 0
    first = (await client.get("/api/v1/archives", params={"limit": 1})).json()
    second = (await client.get("/api/v1/archives", params={"limit": 1, "cursor": first["next"]})).json()
    listed = first["items"] + second["items"]
    assert ([item["name"] for item in listed], second["next"]) == (NAMES, None)
    for item in listed:
        folder = month / "archives" / item["name"]
        assert item["root"] == json.loads((folder / "manifest.json").read_bytes())["body"]["root"]
        for path in folder.iterdir():
            got = await client.get(f"/api/v1/archives/{item['name']}/{path.name}")
            assert (got.status_code, got.content) == (200, path.read_bytes())
    for path in ("audit-2019-13/manifest.json", f"{NAMES[0]}/seal.key", f"..%2f{NAMES[0]}/manifest.json"):
        assert (await client.get(f"/api/v1/archives/{path}")).status_code in (404, 422), path


async def test_a_month_that_waits_for_its_archive_shows(client: httpx.AsyncClient) -> None:
    async def overdue() -> dict[str, float] | None:
        """By kind, as soon as the API has looked and the month is held."""
        text = (await client.get("/metrics")).text
        found = dict(re.findall(r'^kojo_mes_archive_overdue_seconds\{kind="(\w+)"\} (\S+)$', text, re.MULTILINE))
        return {kind: float(seconds) for kind, seconds in found.items()} if found else None

    years = 6 * 365 * 86400
    told = await eventually(overdue)
    assert set(told) == {"audit", "readings"}
    assert min(told.values()) > years


async def test_the_seals_come_as_an_exports_lines(client: httpx.AsyncClient, admin: psycopg.Connection) -> None:
    async def sealed() -> list[str] | None:
        refused = await client.post("/api/v1/products", json={}, headers={"Idempotency-Key": uuid.uuid4().hex})
        assert refused.status_code == 403, "and a row that is to be sealed"
        lines = (await client.get("/api/v1/audit/seals/lines")).text.splitlines()
        return lines if len(lines) > 1 else None

    lines = await eventually(sealed)
    bodies = [json.loads(line)["seal"] for line in lines]
    assert [body["number"] for body in bodies] == list(range(1, len(lines) + 1))
    later = await client.get("/api/v1/audit/seals/lines", params={"after": 1, "limit": 1})
    assert later.text == lines[1] + "\n"
    assert later.headers["Content-Type"] == "application/x-ndjson"
