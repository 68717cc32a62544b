"""The audit trail through the API: who may search it, export jobs as people take them away, journals taken in."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
import pypdf
import pytest
import servers
from authority import seal_key
from conftest import KEYS, client_of, fields, key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from people import Somebody, somebody
from test_audit_tampering import sign
from trail import Trail, forget

from kojo_mes.api import create_app
from kojo_mes.audit import journal
from kojo_mes.audit.export import TooMany
from kojo_mes.audit.export import export as export_to
from kojo_mes.audit.schemas import Format, Selection
from kojo_mes.cli import main
from kojo_mes.kit.database import Database
from kojo_mes.kit.keys import Keys, Signer
from kojo_mes.kit.paper import FontMissing
from kojo_mes.kit.settings import ApiSettings

JOURNAL_KEY = "key-of-the-journal"
SHIPPER = {"journal": {"sha256": hashlib.sha256(JOURNAL_KEY.encode()).hexdigest(), "role": "journal"}}
FONTS = (
    Path("/usr/share/fonts/opentype/ipafont-gothic/ipag.ttf"),
    Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
)
WRITER = Ed25519PrivateKey.generate()
WRITERS = ("control1", "制御 2/&")
EVENT = {
    "action": "site:task",
    "actor": {"id": "aiko", "kind": "person", "name": "田中 愛子", "roles": ["devops_lead"]},
    "at": "2026-01-05T09:00:00.000000Z",
    "new": {"changed": True},
    "old": None,
    "reason": None,
    "record": {"id": "app1", "type": "host", "version": None},
    "request_id": "run-1",
    "source": "journal",
}


class Office(NamedTuple):
    app: FastAPI
    client: httpx.AsyncClient
    auditor: Somebody
    operator: Somebody
    trail: Trail

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.client.get(f"/api/v1/audit/{path}", params=query, headers=self.auditor.headers(self.app))

    async def ask(self, **wanted: Any) -> str:
        answer = await self.client.post("/api/v1/audit/exports", json=wanted, headers=self.auditor.headers(self.app))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def done(self, export: str) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while True:
                found: dict[str, Any] = (await self.get(f"exports/{export}")).json()
                if found["state"] not in ("queued", "running"):
                    return found
                await asyncio.sleep(0.2)

    async def take(self, export: str, folder: Path) -> dict[str, Any]:
        found = await self.done(export)
        assert found["state"] == "done", found["fault"]
        folder.mkdir()  # noqa: ASYNC240  # a test's own folder
        for name in found["files"]:
            (folder / name).write_bytes((await self.get(f"exports/{export}/files/{name}")).content)
        return found

    async def ship(self, *lines: bytes, **headers: str) -> httpx.Response:
        authorised = {"Authorization": f"Bearer {JOURNAL_KEY}"} | key() | headers
        return await self.client.post("/api/v1/audit/journal", content=b"".join(lines), headers=authorised)


@pytest.fixture
async def office(variables: dict[str, str], admin: psycopg.Connection, tmp_path: Path) -> AsyncIterator[Office]:
    path = seal_key(tmp_path)
    (tmp_path / "seals").mkdir()
    public = WRITER.public_key().public_bytes_raw().hex()
    settings = ApiSettings(
        **fields(
            variables
            | {
                "KOJO_MES_API_KEYS": json.dumps(KEYS | SHIPPER),
                "KOJO_MES_SEAL_KEY_FILE": str(path),
                "KOJO_MES_SEAL_DIRECTORY": str(tmp_path / "seals"),
                "KOJO_MES_PDF_FONT": str(next(font for font in FONTS if font.is_file())),
                "KOJO_MES_JOURNAL_KEYS": json.dumps(dict.fromkeys(WRITERS, public)),
            }
        )
    )
    auditor, operator = somebody(admin, "auditor"), somebody(admin, "operator")
    forget(admin)
    admin.execute("ALTER TABLE mes.signature DISABLE TRIGGER ALL")
    database = Database(settings)
    trail = Trail(database, Signer.of_file(path), Keys.of_files([tmp_path / "seal.pub"]), tmp_path)
    # before the service runs: the sealer of an empty trail begins it with a heartbeat
    await trail.write(3)
    await sign(trail, "s-a", "L-1")
    await trail.write(2, "order", "orders:start")
    app = create_app(settings)
    async with client_of(app) as client:
        yield Office(app, client, auditor, operator, trail)
    await database.close()


async def sealed(admin: psycopg.Connection) -> None:
    """All that p-1 did is under a seal."""

    def reached() -> bool:
        row = admin.execute(
            "SELECT coalesce((SELECT max(last_id) FROM mes.audit_seal), 0)"
            " >= (SELECT max(id) FROM mes.audit_event WHERE actor_id = 'p-1')"
        ).fetchone()
        return row is not None and row[0]

    await asyncio.to_thread(servers.wait_until, reached, "seal of what p-1 did")


async def test_search_by_record_actor_action_and_time_in_pages(office: Office) -> None:
    async def ids(**query: Any) -> list[int]:
        answer = await office.get("events", **query)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"] if item["action"] != "audit:heartbeat"]

    assert await ids(record_type="order") == [6, 5]
    assert await ids(record_type="lot", record_id="L-1") == [4, 2], "the signing of a lot is in its history"
    assert await ids(actor="p-1", action="orders:start") == [6, 5]
    now = datetime.now(UTC)
    assert await ids(**{"from": (now + timedelta(hours=1)).isoformat()}) == []
    assert await ids(to=(now - timedelta(hours=1)).isoformat()) == []
    first = (await office.get("events", actor="p-1", limit=4)).json()
    rest = (await office.get("events", actor="p-1", limit=4, cursor=first["next"])).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == [6, 5, 4, 3, 2, 1]
    assert rest["next"] is None
    event = (await office.get("events/2")).json()
    assert (event["actor"]["name"], event["record"], event["old"], event["new"]) == (
        "工場 花子",
        {"type": "lot", "id": "L-1", "version": 1},
        {"mass": 1.5},
        {"mass": 2.5},
    )
    assert (await office.get("events/999")).status_code == 404


@pytest.mark.parametrize(
    "query",
    [{"record_id": "L-1"}, {"from": "2026-01-05T00:00:00Z", "to": "2026-01-04T00:00:00Z"}, {"cursor": "x"}],
)
async def test_a_wrong_search_names_its_field(office: Office, query: dict[str, str]) -> None:
    answer = await office.get("events", **query)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] in (*query, "to")


async def test_an_operator_sees_none_of_it_and_the_attempt_is_on_record(
    office: Office, admin: psycopg.Connection
) -> None:
    for path in ("events", "seals", "exports/0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10"):
        answer = await office.client.get(f"/api/v1/audit/{path}", headers=office.operator.headers(office.app))
        assert answer.status_code == 403
    denied = admin.execute("SELECT actor_id FROM mes.audit_event WHERE action = 'denied'").fetchall()
    assert denied == [(office.operator.id,)] * 3


async def test_an_export_of_all_is_verified_where_it_is_taken(
    office: Office, admin: psycopg.Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await sealed(admin)
    found = await office.take(await office.ask(), tmp_path / "taken")
    assert found["files"] == ["events.jsonl", "manifest.json", "signatures.jsonl"]
    assert found["events"] >= 6
    [seals] = (tmp_path / "seals").iterdir()
    manifest, key = str(tmp_path / "taken" / "manifest.json"), str(tmp_path / "seal.pub")
    assert main(["audit", "verify", manifest, "--key", key, "--seals", str(seals)]) == 0, capsys.readouterr().err
    asked = admin.execute("SELECT actor_id FROM mes.audit_event WHERE action = 'audit:export'").fetchall()
    assert asked == [(office.auditor.id,)]
    assert found["requested_by_id"] == office.auditor.id
    body = json.loads((tmp_path / "taken" / "manifest.json").read_bytes())["body"]
    assert body["created_by"] == {"kind": "person", "id": office.auditor.id, "name": office.auditor.name}


async def test_on_paper_a_record_shows_its_signature_with_name_time_and_meaning(
    office: Office, admin: psycopg.Connection, tmp_path: Path
) -> None:
    await sealed(admin)
    export = await office.ask(format="pdf", record_type="lot", record_id="L-1")
    await office.take(export, tmp_path / "pdf")
    text = "".join(page.extract_text() for page in pypdf.PdfReader(tmp_path / "pdf" / "events.pdf").pages)
    text = " ".join(text.replace("\0", "").split())  # pypdf gives the font's two bytes a letter
    moment = admin.execute("SELECT signed_at FROM mes.signature").fetchone()
    assert moment
    local = moment[0].astimezone(UTC) + timedelta(hours=9)
    assert "工場 花子 (quality_manager) · release ·" in text
    assert f"{local:%Y-%m-%d %H:%M:%S} +0900" in text
    assert f"{moment[0].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" in text
    assert "mass: 1.5 → 2.5" in text
    assert "監査証跡" in text


async def test_a_table_is_defused_and_its_files_are_under_the_manifest(
    office: Office, admin: psycopg.Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await office.trail.write(1, "=cmd()", "lots:change")
    await sealed(admin)
    await office.take(await office.ask(format="csv", actor="p-1"), tmp_path / "csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "csv" / "events.csv").read_text("utf-8-sig"))))
    written = admin.execute("SELECT id::text FROM mes.audit_event WHERE actor_id = 'p-1' ORDER BY id").fetchall()
    assert len(written) == 7
    assert [row["id"] for row in rows] == [number for (number,) in written]
    assert rows[-1]["record_type"] == "'=cmd()"
    command = ["audit", "verify", str(tmp_path / "csv" / "manifest.json"), "--key", str(tmp_path / "seal.pub")]
    assert main(command) == 0
    (tmp_path / "csv" / "events.csv").write_text("id\n1\n")
    assert main(command) == 1
    assert "events.csv: edited" in capsys.readouterr().err


async def test_a_file_that_is_not_there_is_named(office: Office) -> None:
    export = await office.ask()
    await office.done(export)
    answer = await office.get(f"exports/{export}/files/nothing.txt")
    assert (answer.status_code, "events.jsonl" in answer.json()["detail"]) == (404, True)
    assert (await office.get("exports/0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10")).status_code == 404


async def test_paper_without_its_font_says_which_to_install(office: Office, tmp_path: Path) -> None:
    folder = tmp_path / "no-font"
    folder.mkdir()
    who, font = {"kind": "person", "id": "p", "name": "p"}, tmp_path / "nowhere.ttf"
    with pytest.raises(FontMissing, match="install fonts-ipafont-gothic"):
        await export_to(office.trail.database, Selection(), Format.PDF, folder, office.trail.signer, who, font)


async def test_paper_that_is_given_up_lets_its_font_go(
    office: Office, admin: psycopg.Connection, tmp_path: Path
) -> None:
    await sealed(admin)
    folder = tmp_path / "too-many"
    folder.mkdir()
    who, font = {"kind": "person", "id": "p", "name": "p"}, next(font for font in FONTS if font.is_file())
    with pytest.raises(TooMany) as caught:  # its traceback keeps all of it alive
        await export_to(office.trail.database, Selection(), Format.PDF, folder, office.trail.signer, who, font, 1)
    assert font.resolve() not in open_files(), caught.value


def open_files() -> set[Path]:
    return {entry.resolve() for entry in Path("/proc/self/fd").iterdir()}


def line(sequence: int, previous: bytes, writer: str = "control1", **other: Any) -> tuple[bytes, bytes]:
    text = journal.write(Signer(WRITER), writer, sequence, previous, EVENT | other)
    return text + b"\n", bytes.fromhex(json.loads(text)["hash"])


async def test_a_journals_lines_become_part_of_the_trail_once(office: Office, admin: psycopg.Connection) -> None:
    first, digest = line(1, bytes(32))
    second, digest = line(2, digest, action="changes:switch")
    third, _ = line(3, digest)
    answer = await office.ship(first, second)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 2, "known": 0})
    assert (await office.ship(second, third)).json() == {"accepted": 1, "known": 1}
    rows = admin.execute(
        "SELECT action, actor_name, new FROM mes.audit_event WHERE source = 'journal' ORDER BY id"
    ).fetchall()
    assert [row[0] for row in rows] == ["site:task", "changes:switch", "site:task"]
    assert rows[0][1] == "田中 愛子"
    assert (rows[2][2]["sequence"], rows[2][2]["at"], rows[2][2]["values"]) == (3, EVENT["at"], EVENT["new"])
    kept = admin.execute("SELECT line FROM mes.audit_journal_line ORDER BY sequence").fetchall()
    assert "".join(f"{row[0]}\n" for row in kept).encode() == first + second + third


async def test_a_journals_lines_are_given_as_they_were_signed(office: Office) -> None:
    first, digest = line(1, bytes(32), reason="工場 \u0007 0.1 \U0001f3ed\r\u2028")
    second, digest = line(2, digest, new={"share": 0.1, "small": 1e-7, "text": "\0"})
    third, _ = line(3, digest)
    other, _ = line(1, bytes(32), WRITERS[1])
    assert (await office.get("journals")).json() == {"items": [], "next": None}
    assert (await office.ship(first, second, third, other)).json()["accepted"] == 4
    page = (await office.get("journals", limit=1)).json()
    rest = (await office.get("journals", limit=1, cursor=page["next"])).json()
    assert page["items"] + rest["items"] == [
        {"writer": "control1", "records": 3},
        {"writer": WRITERS[1], "records": 1},
    ]
    assert rest["next"] is None

    async def lines(writer: str, **query: int) -> bytes:
        answer = await office.get("journals/lines", writer=writer, **query)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/x-ndjson")
        return answer.content

    assert await lines("control1") == first + second + third
    assert await lines("control1", after=1, limit=1) == second
    assert await lines("control1", after=3) == b""
    assert await lines(WRITERS[1]) == other
    assert await lines("nobody") == b""


async def test_long_lines_come_in_smaller_pages(office: Office, admin: psycopg.Connection) -> None:
    admin.execute(
        "INSERT INTO mes.audit_journal_line (writer, sequence, hash, line)"
        " SELECT 'control1', number, sha256(number::text::bytea), repeat('x', 262144)"
        " FROM generate_series(1, 20) AS number"
    )
    first = await office.get("journals/lines", writer="control1")
    assert len(first.content) == 16 * (2**18 + 1)
    rest = await office.get("journals/lines", writer="control1", after=16)
    assert len(rest.content) == 4 * (2**18 + 1)


async def test_a_journal_that_is_not_whole_is_refused_and_told_on(office: Office, admin: psycopg.Connection) -> None:
    first, digest = line(1, bytes(32))
    _, digest = line(2, digest)
    third, _ = line(3, digest)
    other, _ = line(1, bytes(32), action="site:other")
    stranger = journal.write(Signer(Ed25519PrivateKey.generate()), "control1", 2, digest, EVENT) + b"\n"
    assert (await office.ship(first, third)).status_code == 409
    assert (await office.ship(first)).json()["accepted"] == 1, "nothing of the refused was kept"
    for lines, detail in ((other, "with other content"), (stranger, "not among the given ones"), (third, "removed")):
        answer = await office.ship(lines)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:kojo:problem:journal-broken")
        assert detail in answer.json()["detail"]
    count = admin.execute("SELECT count(*) FROM mes.audit_event WHERE action = 'denied' AND record_type = 'journal'")
    assert count.fetchone() == (4,)


@pytest.mark.parametrize(
    "body", [b"", b"\n", b"{}\n", b"[]\n", b'{"writer": 1}\n', b'{"writer": "control1"}\n', b"\xff\n", b"[" * 100_000]
)
async def test_nonsense_is_no_journal(office: Office, body: bytes) -> None:
    assert (await office.ship(body)).status_code == 422
