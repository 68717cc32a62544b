# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""One event of a playbook's own, as a record of the plant's journal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.kojo.plant.plugins.plugin_utils import journal_origin
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_file import JournalFault, journal_files
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_format import canonical, now, plain
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_run import opened
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_secrets import Secrets
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_settings import RUN, Settings

LONGEST_EVENT = 256 * 2**10


def entry(
    variables: Mapping[str, Any],
    action: str,
    record_type: str,
    record_id: str,
    *,
    version: int | None = None,
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> dict[str, Any]:
    """The event, without its number and without secrets; JournalFault for what no journal takes.

    VARIABLES are the task's: they say who acts, and what is secret.
    """
    for name, value in (("action", action), ("record_type", record_type), ("record_id", record_id)):
        if not 0 < len(value) <= journal_origin.LONGEST_NAME:
            problem = f"{name} is to have 1 to {journal_origin.LONGEST_NAME} characters"
            raise JournalFault(problem, f"it has {len(value)}")
    secrets = Secrets()
    secrets.learn(variables)
    event: dict[str, Any] = plain(
        {
            "action": action,
            "actor": journal_origin.actor(variables),
            "at": now(),
            "new": secrets.clean(new),
            "old": secrets.clean(old),
            "reason": None if reason is None else secrets.text(reason)[:10_000],
            "record": {"id": record_id, "type": record_type, "version": version},
            "request_id": os.environ.get(RUN),
        }
    )
    if len(canonical(event)) > LONGEST_EVENT:
        raise JournalFault(f"old and new are to have at most {LONGEST_EVENT} bytes in all", "name what they tell of")
    return event


def write(plant: Settings, event: Mapping[str, Any]) -> int:
    """Its number in the journal, when it is on disk; JournalFault."""
    journal = opened(plant)
    try:
        sequence = journal.append(event)
        journal.sync()
    finally:
        journal.close()
    return sequence


def told_before(plant: Settings, part: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The events in the journal, of whichever writer, that have PART's keys and values somewhere; the newest files'
    first."""
    mark = canonical(part)[1:-1]
    for path in reversed(journal_files(plant.directory, plant.plant)):
        with path.open("rb") as file:
            for line in file:
                if mark in line and line.endswith(b"\n"):
                    yield json.loads(line)["event"]
