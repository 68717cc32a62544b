"""What a verifier can find, and what it counts when it finds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

LONGEST_LOOK = 100_000  # records that are read to tell what happened to the first bad one


class Kind(StrEnum):
    EDITED = "edited"
    INSERTED = "inserted"
    REMOVED = "removed"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    COPIED = "copied signature"
    FORGED = "bad signature"


class Finding(Exception):
    """The first bad record of a file or table, and what is wrong with it."""

    def __init__(self, kind: Kind, path: Path | str, line: int | None, what: str, detail: str) -> None:
        place = f"{path}:{line}" if line else str(path)
        super().__init__(f"{place}: {kind}: {what}: {detail}")
        self.kind, self.path, self.line, self.what = kind, path, line, what


@dataclass
class Report:
    """Counts of what was checked and found whole."""

    events: int = 0
    seals: int = 0
    journal_lines: int = 0
    signatures: int = 0
    files: int = 0
    records: int = 0  # of the database
    notes: list[str] = field(default_factory=list)


def classify(
    expected: Sequence[object], position: int, got: object, genuine: bool, following: Sequence[object]
) -> tuple[Kind, object]:
    """What is wrong where `got` stands instead of `expected[position]`, and which record it is wrong with.

    `genuine`: it is a record of this list, unaltered. `following`: what comes after it, up to the list's end.
    """
    if position == len(expected):
        return Kind.INSERTED, got
    wanted = expected[position]
    if got == wanted:
        return Kind.EDITED, got
    if genuine and got in expected[position:]:
        return (Kind.REORDERED, got) if wanted in following else (Kind.REMOVED, wanted)
    if genuine:
        return Kind.INSERTED, got
    if got in expected:
        return Kind.EDITED, got
    # its number may be what was edited: then nothing else is missing, and nothing too many
    return (Kind.EDITED, wanted) if len(following) == len(expected) - position - 1 else (Kind.INSERTED, got)


def deviation(
    path: Path,
    number: int,
    wanted: Sequence[object],
    position: int,
    got: object,
    genuine: bool,
    following: Sequence[object],
    of: str = "",
) -> Finding:
    """The finding where `got` stands on line `number` instead of `wanted[position]`; the rest as `classify` has it."""
    kind, which = classify(wanted, position, got, genuine, following)
    place = f"place {position + 1}{of}"
    detail = {
        Kind.EDITED: f"it is not the record that was sealed at {place}",
        Kind.INSERTED: f"it is none of the records that were sealed; it stands at {place}",
        Kind.REMOVED: f"it is missing at {place}; {named(got)} stands there",
        Kind.REORDERED: f"it stands at {place}, before {named(wanted[position]) if position < len(wanted) else ''}",
    }[kind]
    return Finding(kind, path, number, named(which), detail)


def named(number: object) -> str:
    return "a line that is no record" if number is None else f"record {number}"
