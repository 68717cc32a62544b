# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""A watch's mark on a decision: it is bad, and nothing better was there to go back to. Somebody has to look."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from .stored import load, store


@dataclass(frozen=True)
class Mark:
    """On the decision GENERATION, by WHO and WHY, AT seconds since 1970."""

    generation: int
    who: str
    why: str
    at: float


class Hold:
    """Kept in a file, so that an agent that begins anew still tells it. The next decision ends it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def mark(self, generation: int) -> Mark | None:
        stored = load(self._path)
        mark = Mark(**stored) if stored else None
        return mark if mark and mark.generation == generation else None

    def keep(self, mark: Mark) -> None:
        store(self._path, asdict(mark))

    def leave(self) -> None:
        self._path.unlink(missing_ok=True)
