# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Events that found no journal: kept beside it, or in the user's own state, until a run can write them into it.

They are neither chained nor signed there. The record that they become says that it was written later.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.kojo.plant.plugins.plugin_utils.journal_format import canonical

LATER = "written later: the journal could not be written at its time"


def places(directory: Path, plant: str) -> list[Path]:
    """Where pending events may be: the first that can be written is."""
    own = Path(os.environ.get("XDG_STATE_HOME") or f"{os.environ.get('HOME', '')}/.local/state")
    of_directory = hashlib.sha256(str(directory).encode()).hexdigest()[:8]
    return [directory / f"{plant}.pending", own / f"kojo/{plant}-{of_directory}.pending"]


def keep(directory: Path, plant: str, event: Mapping[str, Any]) -> Path:
    """Keeps EVENT for the next run, on disk; returns where. OSError when no place can be written."""
    fault = OSError("no place")
    for path in places(directory, plant):
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _opened(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND) as handle:
                os.write(handle, canonical(event) + b"\n")
                os.fsync(handle)
        except OSError as error:
            fault = error
        else:
            return path
    raise fault


def take(directory: Path, plant: str, write: Callable[[Mapping[str, Any]], object], sync: Callable[[], None]) -> int:
    """Has all that is pending written and synced, and forgets it; returns how many there were. OSError."""
    count = 0
    for path in places(directory, plant):
        try:
            with _opened(path, os.O_RDONLY) as handle:
                for event in _events(path):
                    write({**event, "reason": LATER})
                    count += 1
                sync()
                path.unlink()
                os.fsync(handle)
        except (FileNotFoundError, PermissionError):
            continue
    return count


def _events(path: Path) -> Iterator[dict[str, Any]]:
    for text in path.read_bytes().splitlines():
        try:
            event = json.loads(text)
            yield {name: event[name] for name in ("action", "actor", "at", "new", "old", "record", "request_id")}
        except (ValueError, KeyError, TypeError):
            continue  # the machine stopped in the middle of it


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """PATH under its lock: the file that is there, not one that another run has just taken."""
    while True:
        handle = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_nlink:
                yield handle
                return
        finally:
            os.close(handle)
