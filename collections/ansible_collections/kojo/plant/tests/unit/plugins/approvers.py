"""People of a plant who approve changes on files, with keys of their own, and a folder of such files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.kojo.plant.tests.unit.plugins.change_desk import DIGEST
from ansible_collections.kojo.plant.tests.unit.plugins.signatures import key, sign

APPROVAL, REVIEW = "kojo-change-approval", "kojo-change-review"
ROLES = {"aiko": "devops_lead", "ken": "quality_manager", "yui": "manufacturing_lead", "rin": "devops_lead"}
CONTENT = {
    "what": "kojo-mes 1.4.0 on both application hosts",
    "why": "第三ラインの計数",
    "impact": "none expected",
    "rollback_plan": "playbooks/rollback.yml",
    "artefact_digest": DIGEST,
    "plant": "works",
    "window_start": "2026-12-01T22:00:00+09:00",
    "window_end": "2026-12-01T16:00:00Z",
}


class Office:
    def __init__(self, root: Path) -> None:
        self.keys, self.folder = root / "keys", root / "approvals"
        self.keys.mkdir(parents=True)
        self.folder.mkdir(parents=True)
        self.approvers = {name: {"role": role, "key": key(self.keys, name)} for name, role in ROLES.items()}
        key(self.keys, "mallory")

    def write(self, change: str, *signers: str, **content: Any) -> Path:
        """A change with CONTENT, signed by SIGNERS. A value of None leaves its key out."""
        path = self.folder / f"{change}.json"
        values = {name: value for name, value in (CONTENT | content).items() if value is not None}
        path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
        for name in signers:
            self.sign(path, name)
        return path

    def sign(self, path: Path, name: str, by: str | None = None, namespace: str = APPROVAL) -> Path:
        """The signature file of NAME on PATH, made with the key of BY."""
        proof = path.with_name(f"{path.name}.{name}.sig")
        proof.write_bytes(sign(self.keys, by or name, path.read_bytes(), namespace))
        return proof

    def review(self, change: str, name: str, by: str | None = None, namespace: str = REVIEW) -> Path:
        record = self.folder / f"{change}.json.used"
        proof = self.folder / f"{change}.json.review.{name}.sig"
        proof.write_bytes(sign(self.keys, by or name, record.read_bytes(), namespace))
        return proof
