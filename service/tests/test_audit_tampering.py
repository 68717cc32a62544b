"""What a database superuser or the holder of a file can do to the trail: each is found, and the record is named."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from authority import seal_key
from trail import ACTOR, Trail, forget, unguarded

from kojo_mes.audit.export import export
from kojo_mes.audit.schemas import Format, Selection
from kojo_mes.cli import main
from kojo_mes.kit.audit import RecordRef, record
from kojo_mes.kit.database import Database, WriteSession
from kojo_mes.kit.keys import Signer
from kojo_mes.kit.settings import ApiSettings
from kojo_mes.signatures.models import SignatureRow
from kojo_mes.signatures.verification import attested

FONT = Path("/nowhere")


@pytest.fixture
async def trail(settings: ApiSettings, tmp_path: Path, admin: psycopg.Connection) -> AsyncIterator[Trail]:
    """Rows 1–4, 5–9 (the last three of them signings) and 10–13, a seal each; the first has two transactions."""
    forget(admin)
    admin.execute("ALTER TABLE mes.signature DISABLE TRIGGER ALL")  # the signer need not be somebody
    database = Database(settings)
    trail = Trail.begin(database, tmp_path)
    await trail.write(2)
    await trail.write(2)
    await trail.seal()
    await trail.write(2)
    for name in ("a", "b", "c"):
        await sign(trail, f"s-{name}", f"L-{name}")
    await trail.seal()
    await trail.write(4, "order", "orders:start")
    await trail.seal()
    yield trail
    await database.close()


async def sign(trail: Trail, signature: str, lot: str) -> None:
    async def work(session: WriteSession) -> None:
        row = SignatureRow(
            id=signature,
            record_type="lot",
            record_id=lot,
            record_version=1,
            record_digest=bytes(32),
            meaning="release",
            signer_id="p-1",
            user_name="hanako",
            printed_name="工場 花子",
            role="quality_manager",
            signed_at=datetime.now(UTC),
            time_zone="Asia/Tokyo",
            authentication="password",
            clock_status="synchronised",
            clock_error=0.001,
            session_id="session",
            request_id="request",
        )
        session.add(row)
        await session.flush()
        await record(session, ACTOR, "signatures:sign", RecordRef("signature", signature), new=attested(row))

    await trail.database.write(work)


async def exported(trail: Trail, name: str = "export", selection: Selection | None = None) -> Path:
    folder = trail.folder / name
    folder.mkdir()
    who = {"kind": "person", "id": "p-9", "name": "監査 太郎"}
    await export(trail.database, selection or Selection(), Format.JSON_LINES, folder, trail.signer, who, FONT)
    return folder


def verdict(trail: Trail, folder: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    code = main(["audit", "verify", str(folder / "manifest.json"), "--key", str(trail.folder / "seal.pub"), *more])
    told = capsys.readouterr()
    return code, (told.err or told.out).strip()


def as_superuser(admin: psycopg.Connection, *statements: str) -> None:
    unguarded(admin)
    for statement in statements:
        admin.execute(statement.encode())


async def test_an_untouched_trail_is_whole(trail: Trail, capsys: pytest.CaptureFixture[str]) -> None:
    folder = await exported(trail)
    [seals] = trail.seals.iterdir()
    assert verdict(trail, folder, capsys, "--seals", str(seals)) == (
        0,
        "whole and unaltered: 13 records in 3 seals, 3 signatures, 0 journal lines, 3 files",
    )
    assert main(["audit", "verify", str(folder / "events.jsonl"), "--key", str(trail.folder / "seal.pub")]) == 0


COPY = """INSERT INTO mes.audit_event OVERRIDING SYSTEM VALUE
    SELECT {}, at, xid, source, actor_kind, actor_id, actor_name, actor_roles, action, record_type, record_id,
           record_version, old, new, reason, request_id FROM mes.audit_event WHERE id = {}"""
IN_DATABASE = {
    "edit": ("UPDATE mes.audit_event SET reason = 'it was right' WHERE id = 3", "edited: record 3:"),
    "edit an old value": ("""UPDATE mes.audit_event SET old = '{"mass": 1.6}' WHERE id = 6""", "edited: record 6:"),
    "edit a time": ("UPDATE mes.audit_event SET at = at + interval '1 us' WHERE id = 1", "edited: record 1:"),
    "edit who": ("UPDATE mes.audit_event SET actor_id = 'p-2' WHERE id = 13", "edited: record 13:"),
    "renumber": (
        "ALTER TABLE mes.audit_event ALTER id DROP IDENTITY; UPDATE mes.audit_event SET id = 99 WHERE id = 6",
        "edited: record 6:",
    ),
    "insert": (COPY.format(99, 3), "inserted: record 99:"),
    "insert at a seal's end": (COPY.format(99, 9), "inserted: record 99:"),
    "delete": ("DELETE FROM mes.audit_event WHERE id = 2", "removed: record 2:"),
    "delete a seal's first": ("DELETE FROM mes.audit_event WHERE id = 5", "removed: record 5:"),
    "delete a seal's last": ("DELETE FROM mes.audit_event WHERE id = 4", "removed: record 4:"),
    "delete the last": ("DELETE FROM mes.audit_event WHERE id = 13", "truncated: record 13:"),
    "delete a seal's rows": ("DELETE FROM mes.audit_event WHERE id BETWEEN 5 AND 9", "removed: record 5:"),
    "delete all": ("TRUNCATE mes.audit_event CASCADE", "removed: record 1:"),
    "reorder": ("UPDATE mes.audit_event SET xid = '3' WHERE id = 3", "reordered: record 3:"),
    "move to another seal": (
        "UPDATE mes.audit_event SET xid = (SELECT xid FROM mes.audit_event WHERE id = 13) WHERE id = 2",
        "removed: record 2:",
    ),
    "edit a seal": (
        "UPDATE mes.audit_seal SET leaves = set_byte(leaves, 0, get_byte(leaves, 0) # 1) WHERE number = 2",
        "edited: seal 2:",
    ),
    "edit what was signed": (
        "UPDATE mes.audit_seal SET body = replace(body, '\"number\":2', '\"number\":7'),"
        " hash = sha256(convert_to(replace(body, '\"number\":2', '\"number\":7'), 'UTF8')) WHERE number = 2",
        "bad signature: seal 7:",
    ),
    "delete a seal": ("DELETE FROM mes.audit_seal WHERE number = 2", "removed: seal 2:"),
    "copy a seal's signature": (
        "UPDATE mes.audit_seal SET signature = (SELECT signature FROM mes.audit_seal WHERE number = 1)"
        " WHERE number = 3",
        "copied signature: seal 3:",
    ),
    "copy a signature to another record": (
        "INSERT INTO mes.signature SELECT (jsonb_populate_record(signature,"
        """ '{"id": "s-d", "record_id": "L-0"}')).* FROM mes.signature WHERE id = 's-b'""",
        "copied signature: signature s-d on lot L-0: it is signature s-b on another record",
    ),
    "move a signature to another record": (
        "UPDATE mes.signature SET record_id = 'L-0' WHERE id = 's-b'",
        "copied signature: signature s-b on lot L-0: record 8 of the trail says otherwise: record_id",
    ),
    "edit a signature": (
        "UPDATE mes.signature SET meaning = 'approval' WHERE id = 's-b'",
        "edited: signature s-b on lot L-b: record 8 of the trail says otherwise: meaning",
    ),
    "delete a signature": ("DELETE FROM mes.signature WHERE id = 's-b'", "removed: signature s-b:"),
}


@pytest.mark.parametrize("what", IN_DATABASE)
async def test_a_superuser_is_found_out(
    trail: Trail, admin: psycopg.Connection, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    statement, expected = IN_DATABASE[what]
    as_superuser(admin, statement)
    code, told = verdict(trail, await exported(trail), capsys)
    assert code == 1
    assert expected in told


async def test_a_trail_cut_off_or_sealed_anew_is_found_by_the_sealers_file(
    trail: Trail, admin: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    """The database alone can't tell: what is left of it is whole."""
    [seals] = trail.seals.iterdir()
    as_superuser(admin, "DELETE FROM mes.audit_event WHERE id >= 10", "DELETE FROM mes.audit_seal WHERE number = 3")
    cut = await exported(trail, "cut")
    assert verdict(trail, cut, capsys)[0] == 0
    code, told = verdict(trail, cut, capsys, "--seals", str(seals))
    assert (code, "truncated: seal 3:" in told) == (1, True)

    forger = Trail(trail.database, trail.signer, trail.keys, trail.folder / "forger")
    forger.folder.mkdir()
    forger.seals.mkdir()
    await forger.write(1)
    await forger.seal()
    code, told = verdict(trail, await exported(trail, "anew"), capsys, "--seals", str(seals))
    assert (code, "edited: seal 3: it differs from the one that was written down" in told) == (1, True)


async def test_a_foreign_key_seals_nothing(trail: Trail, capsys: pytest.CaptureFixture[str]) -> None:
    (trail.folder / "foreign").mkdir()
    forger = Trail(trail.database, Signer.of_file(seal_key(trail.folder / "foreign")), trail.keys, trail.folder)
    await forger.write(1)
    await forger.seal()
    code, told = verdict(trail, await exported(trail), capsys)
    assert code == 1
    assert re.search("bad signature: seal 4: .*not among the given ones", told)


def lines(change: Callable[[list[bytes]], object]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        all_lines = data.splitlines(keepends=True)
        change(all_lines)
        return b"".join(all_lines)

    return changed


# line 1 is seal 1; lines 2–5 are records 1–4; line 6 is seal 2; lines 7–11 are records 5–9; line 12 is seal 3
IN_FILE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "edit": (lambda data: data.replace(b'"new":{"mass":2.5}', b'"new":{"mass":2.4}', 1), "2: edited: record 1:"),
    "remove": (lines(lambda all_lines: all_lines.pop(2)), "3: removed: record 2:"),
    "remove a seal": (lines(lambda all_lines: all_lines.pop(5)), "inserted: record 5:"),
    "insert": (lines(lambda all_lines: all_lines.insert(3, all_lines[2])), "4: inserted: record 2:"),
    "insert another's": (lines(lambda all_lines: all_lines.insert(3, all_lines[8])), "4: inserted: record 7:"),
    "insert nonsense": (lines(lambda all_lines: all_lines.insert(3, b"{}\n")), "4: inserted: a line that is no record"),
    "reorder": (lines(lambda all_lines: all_lines.insert(1, all_lines.pop(2))), "2: reordered: record 2:"),
    "cut a record off": (lines(lambda all_lines: all_lines.pop()), "truncated: record 13:"),
    "cut a seal off": (lambda data: b"".join(data.splitlines(keepends=True)[:11]), "truncated: seal 3:"),
    "cut within a record": (lambda data: data[:-30], "truncated: record 13:"),
    "cut the line's end": (lambda data: data[:-1], "truncated: record 13:"),
    "reorder seals": (
        lambda data: b"".join([*(all_lines := data.splitlines(keepends=True))[5:], *all_lines[:5]]),
        "reordered: seal 1:",
    ),
    "add white space": (lambda data: data.replace(b'"id":3,', b'"id": 3,', 1), "4: edited: record 3:"),
    "empty": (lambda data: b"", "truncated: the file:"),
}


@pytest.mark.parametrize("what", IN_FILE)
@pytest.mark.parametrize("with_manifest", [True, False])
async def test_an_altered_file_is_found_out(
    trail: Trail, capsys: pytest.CaptureFixture[str], what: str, with_manifest: bool
) -> None:
    change, expected = IN_FILE[what]
    folder = await exported(trail)
    path = folder / "events.jsonl"
    path.write_bytes(change(path.read_bytes()))
    if with_manifest:
        code, told = verdict(trail, folder, capsys)
    elif what == "cut a seal off":
        pytest.skip("whole seals cut off: it takes the manifest or the sealer's file to know of them")
    elif what == "empty":
        pytest.skip("nothing tells what an empty file was")
    else:
        code = main(["audit", "verify", str(path), "--key", str(trail.folder / "seal.pub")])
        told = capsys.readouterr().err
    assert code == 1
    assert expected in told


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("edit", "edited: record 5:"),
        ("remove", "removed: record 6:"),
        ("cut", "truncated: record 9:"),
        ("copy", "inserted: record 5:"),
    ],
)
async def test_a_selection_is_checked_by_the_manifests_list(
    trail: Trail, capsys: pytest.CaptureFixture[str], what: str, expected: str
) -> None:
    trail_of_lots = await exported(
        trail, selection=Selection(record_type="lot", **{"from": datetime(2000, 1, 1, tzinfo=UTC)})
    )
    assert verdict(trail, trail_of_lots, capsys)[0] == 0
    path = trail_of_lots / "events.jsonl"
    all_lines = path.read_bytes().splitlines(keepends=True)
    five = next(index for index, line in enumerate(all_lines) if b'"id":5,' in line)
    match what:
        case "edit":
            all_lines[five] = all_lines[five].replace(b"2.5", b"2.4")
        case "remove":
            all_lines.pop(five + 1)
        case "cut":
            all_lines.pop()
        case "copy":
            all_lines.insert(five + 1, all_lines[five])
    path.write_bytes(b"".join(all_lines))
    code, told = verdict(trail, trail_of_lots, capsys)
    assert code == 1
    assert expected in told


@pytest.mark.parametrize("name", ["events.jsonl", "signatures.jsonl", "manifest.json"])
async def test_any_changed_byte_of_any_file_is_found(
    trail: Trail, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder = await exported(trail)
    path = folder / name
    data = path.read_bytes()
    for position in range(0, len(data), 41):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        assert verdict(trail, folder, capsys)[0] == 1, position
    path.unlink()
    assert verdict(trail, folder, capsys)[0] in (1, 2)


async def test_what_the_manifest_says_is_signed(trail: Trail, capsys: pytest.CaptureFixture[str]) -> None:
    folder = await exported(trail)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["body"]["created_by"]["name"] = "someone else"
    path.write_text(json.dumps(manifest))
    code, told = verdict(trail, folder, capsys)
    assert (code, "bad signature: the manifest" in told) == (1, True)


def test_what_cannot_be_verified_is_a_fault_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seal_key(tmp_path)
    (tmp_path / "events.csv").write_text("id,at\n")
    key = ["--key", str(tmp_path / "seal.pub")]
    assert main(["audit", "verify", str(tmp_path / "events.csv"), *key]) == 2
    assert "manifest.json" in capsys.readouterr().err
    assert main(["audit", "verify", str(tmp_path / "nowhere"), *key]) == 2
    assert main(["audit", "verify", str(tmp_path / "events.csv"), "--key", str(tmp_path / "events.csv")]) == 2
    assert "is not a public key" in capsys.readouterr().err
