"""The monitoring host's copy (roles/escrow) of what this API gives: the two meet at the formats alone."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from conftest import KEYS
from processes import plain_api
from servers import free_port, wait_until
from test_archives import NAMES
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


def test_the_copy_is_what_the_service_sealed_and_archived(
    month: Path, variables: dict[str, str], program: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("due") == 0
    seals, copy = month / "seals", month / "copy"
    seals.mkdir()
    copy.mkdir()
    own = {
        "KOJO_MES_SEAL_KEY_FILE": str(month / "seal.key"),
        "KOJO_MES_SEAL_DIRECTORY": str(seals),
        "KOJO_MES_ARCHIVE_DIRECTORY": str(month / "archives"),
        "KOJO_MES_API_KEYS": json.dumps(KEYS | HOLDER),
    }
    with plain_api(variables | own, free_port()) as (url, _):
        wait_until(lambda: any(path.stat().st_size for path in seals.iterdir()), "the first seal")
        sources = program.Sources(["http://127.0.0.1:1", url], API_KEY, None)
        keys = program.Keys((month / "seal.pub").read_text())
        for what in ("seals", "archives"):
            assert program.run(what, copy, sources, keys) == 0, capsys.readouterr().err
    copied = b"".join(path.read_bytes() for path in sorted((copy / "seals").iterdir()))
    written = b"".join(path.read_bytes() for path in sorted(seals.iterdir()))
    assert copied
    assert written.startswith(copied) or copied.startswith(written), "one of them may have been a seal ahead"
    assert sorted(path.name for path in (copy / "archives").iterdir()) == NAMES
    for name in NAMES:
        assert main(["archive", "verify", str(copy / "archives" / name), *key(month)]) == 0
