"""What became of writes, by two witnesses: who sent them, and the database. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import NamedTuple


class Counts(NamedTuple):
    """Operations manual, fault harness: six counts of writes, each write counted once however often it was sent."""

    attempted: int
    acknowledged: int
    present: int
    lost: int  # acknowledged, and not there
    unexpected: int  # there though nobody sent it, or there more than once
    recovered: int  # there, though its sender never got an answer

    def __str__(self) -> str:
        return ", ".join(f"{name} {count}" for name, count in self._asdict().items())


def reckon(attempted: Set[str], acknowledged: Set[str], found: Mapping[str, int]) -> Counts:
    """Compare what senders know with what is there: write to how often."""
    present = {write for write, times in found.items() if times}
    twice = {write for write, times in found.items() if times > 1}
    return Counts(
        attempted=len(attempted),
        acknowledged=len(acknowledged),
        present=len(present),
        lost=len(acknowledged - present),
        unexpected=len((present - attempted) | twice),
        recovered=len((present & attempted) - acknowledged),
    )
