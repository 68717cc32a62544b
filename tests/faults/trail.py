"""The audit trail, exported by an auditor and checked offline, as an inspector would."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.faults.lab import Lab
from tests.load.people import fresh_key
from tests.plant.inventory import ROOT
from tests.wait import eventually

EXPORTS = "/api/v1/audit/exports"


def verify(lab: Lab, auditor: httpx.Client, folder: Path) -> subprocess.CompletedProcess[str]:
    """Export the whole trail into FOLDER, and verify it there."""
    asked = auditor.post(EXPORTS, json={}, headers=fresh_key()).raise_for_status().json()

    def look() -> dict[str, object]:
        return dict(auditor.get(f"{EXPORTS}/{asked['id']}").raise_for_status().json())

    done = eventually(look, lambda export: export["state"] in ("done", "failed"), 120)
    files = done["files"]
    assert isinstance(files, list), done
    for name in files:
        content = auditor.get(f"{EXPORTS}/{asked['id']}/files/{name}", timeout=120).raise_for_status().content
        (folder / name).write_bytes(content)
    key = load_pem_private_key(lab.plant.secrets["mes_seal_key"].encode(), None).public_key()
    (folder / "seal.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    command: list[str | Path] = [
        ROOT / ".venv-service/bin/kojo-mes",
        "audit",
        "verify",
        "manifest.json",
        "--key",
        "seal.pem",
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
