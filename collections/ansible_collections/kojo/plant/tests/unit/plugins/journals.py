"""What the tests of journals share: a key, an event, and the lines of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.kojo.plant.plugins.plugin_utils.journal_file import Journal
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_format import Keys, Signer, now
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_secrets import GENERATORS

PEM = GENERATORS["mes_journal_signing_key"]()
SIGNER = Signer.of_pem(PEM)
KEYS = Keys([SIGNER.public])


def event(action: str = "site:task", **new: Any) -> dict[str, Any]:
    return {
        "action": action,
        "actor": {"id": "aiko", "kind": "person", "name": "田中 愛子", "roles": []},
        "at": now(),
        "new": new,
        "old": None,
        "reason": None,
        "record": {"id": "app1", "type": "host", "version": None},
        "request_id": "run-1",
    }


def opened(folder: Path, writer: str = "ansible", signer: Signer = SIGNER) -> Journal:
    return Journal.open(folder, "works", writer, signer)


def written(folder: Path, count: int, writer: str = "ansible") -> Path:
    """A journal of COUNT records, synced."""
    journal = opened(folder, writer)
    for number in range(count):
        journal.append(event(number=number))
    journal.sync()
    journal.close()
    return journal.path


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["event"] for line in path.read_bytes().splitlines()]
