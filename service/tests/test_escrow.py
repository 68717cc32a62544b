"""The monitoring host's copy (roles/escrow) of what this API gives: the two meet at the formats alone."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from callers import JOURNAL, JOURNAL_KEY
from conftest import KEYS
from conftest import key as idempotency
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from processes import plain_api
from servers import free_port, wait_until
from test_archives import NAMES
from test_audit_api import WRITER, line
from test_retention import command, key, month

from kojo_mes.cli import main

__all__ = ["month"]  # a fixture
PROGRAM = Path(__file__).parents[2] / "roles/escrow/files/kojo-escrow.py"
API_KEY = "key-of-the-escrow"
HOLDER = {"escrow": {"sha256": hashlib.sha256(API_KEY.encode()).hexdigest(), "role": "escrow"}}


@pytest.fixture
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kojo_escrow", PROGRAM)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_copy_is_what_the_service_sealed_took_in_and_archived(
    month: Path, variables: dict[str, str], program: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("due") == 0
    seals, copy = month / "seals", month / "copy"
    seals.mkdir()
    copy.mkdir()
    first, digest = line(1, bytes(32), new={"text": "工場 \u0007", "share": 1e-7})
    second, _ = line(2, digest)
    public = WRITER.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    (month / "journal.pub").write_text(f"control1\n{pem}")
    own = {
        "KOJO_MES_SEAL_KEY_FILE": str(month / "seal.key"),
        "KOJO_MES_SEAL_DIRECTORY": str(seals),
        "KOJO_MES_ARCHIVE_DIRECTORY": str(month / "archives"),
        "KOJO_MES_API_KEYS": json.dumps(KEYS | JOURNAL | HOLDER),
        "KOJO_MES_JOURNAL_KEYS": json.dumps({"control1": public.public_bytes_raw().hex()}),
    }
    with plain_api(variables | own, free_port()) as (url, _):
        wait_until(lambda: any(path.stat().st_size for path in seals.iterdir()), "the first seal")
        sources = program.Sources(["http://127.0.0.1:1", url], API_KEY, None)
        headers = {"Authorization": f"Bearer {JOURNAL_KEY}"} | idempotency()
        httpx.post(f"{url}/api/v1/audit/journal", content=first + second, headers=headers).raise_for_status()
        for what in ("seals", "journals", "archives"):
            assert program.run(what, copy, sources, program.Trusted.of(month)) == 0, capsys.readouterr().err
    copied = b"".join(path.read_bytes() for path in sorted((copy / "seals").iterdir()))
    written = b"".join(path.read_bytes() for path in sorted(seals.iterdir()))
    assert copied
    assert written.startswith(copied) or copied.startswith(written), "one of them may have been a seal ahead"
    journal = copy / "journals/control1/control1-2026-01.jsonl"
    assert journal.read_bytes() == first + second
    assert main(["audit", "verify", str(journal), "--key", str(month / "journal.pub")]) == 0, capsys.readouterr().err
    assert sorted(path.name for path in (copy / "archives").iterdir()) == NAMES
    for name in NAMES:
        assert main(["archive", "verify", str(copy / "archives" / name), *key(month)]) == 0
