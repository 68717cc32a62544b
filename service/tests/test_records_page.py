"""What docs/records.md tells people to type does what it says."""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path

import psycopg
import pytest
import servers
from conftest import environment, fields
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from test_audit_api import EVENT
from test_retention import MONTH, command, month
from trail import Trail, begin_anew

from kojo_mes.audit import journal
from kojo_mes.cli import main
from kojo_mes.kit.database import Database
from kojo_mes.kit.keys import Keys, Signer
from kojo_mes.kit.settings import ApiSettings

__all__ = ["month"]  # a fixture
PAGE = Path(__file__).parents[2] / "docs" / "records.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith("kojo-mes ")]


async def sealed(settings: ApiSettings, folder: Path) -> Path:
    """The sealer's file of the trail as it stands."""
    database = Database(settings)
    try:
        trail = Trail(database, Signer.of_file(folder / "seal.key"), Keys.of_files([folder / "seal.pub"]), folder)
        trail.seals.mkdir()
        await trail.seal()
    finally:
        await database.close()
    (file,) = trail.seals.iterdir()
    return file


def copied_journal(folder: Path) -> None:
    """A journal as the monitoring host has it, and the key that proves it."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    (folder / "journal.pub").write_text(f"ansible\n{public}\n")
    copy = folder / "journals/ansible"
    copy.mkdir(parents=True)
    (copy / "ansible-2019-01.jsonl").write_bytes(journal.write(Signer(key), "ansible", 1, bytes(32), EVENT) + b"\n")


def typed(line: str) -> list[str]:
    """The arguments that a shell makes of a command line."""
    return [
        name
        for word in shlex.split(line)[1:]
        for name in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
    ]


def test_its_commands_work_in_their_order(
    month: Path,
    postgres: servers.Postgres,
    database: str,
    admin: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert len(COMMANDS) == 7
    copied_journal(month)
    monkeypatch.chdir(month)
    begin_anew(admin)
    assert command("due") == 0
    file = asyncio.run(sealed(ApiSettings(**fields(environment(postgres, database))), month))
    file.rename(file.with_name(f"seals-{MONTH}.jsonl"))
    monkeypatch.setenv("KOJO_MES_AUDIT_PASSWORD", servers.PASSWORD)
    assert main(["audit", "export", "trail"]) == 0, capsys.readouterr().err
    for line in COMMANDS:
        assert main(typed(line)) == 0, f"{line}: {capsys.readouterr().err}"
    told = capsys.readouterr().out
    assert told.count("whole and unaltered") == 5
    assert told.count("as the trail has them") == 1
    assert "detached: mes.audit_event_2019_01" in told
    assert admin.execute("SELECT count(*) FROM mes.restored_audit_2019_01").fetchall() == [(40,)]
