"""Batches that the API has not acknowledged yet: files, so that neither an outage nor a restart loses one."""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path

SUFFIX = ".json"


class Spool:
    """A batch's name keeps the order, and is its Idempotency-Key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.filled = asyncio.Event()
        folder.mkdir(parents=True, exist_ok=True)
        self.filled.set()  # by the process before, perhaps

    def put(self, batch: bytes) -> None:
        name = f"{time.time_ns():020d}-{uuid.uuid4()}"
        unfinished = self._folder / name
        unfinished.write_bytes(batch)
        unfinished.rename(self._folder / (name + SUFFIX))
        self.filled.set()

    def waiting(self) -> list[str]:
        """Keys, oldest first."""
        return sorted(path.stem for path in self._folder.glob("*" + SUFFIX))

    def read(self, key: str) -> bytes:
        return (self._folder / (key + SUFFIX)).read_bytes()

    def drop(self, key: str) -> None:
        (self._folder / (key + SUFFIX)).unlink()
