# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Whether a journal is what its writer wrote, from its first record to the last that is remembered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ansible_collections.kojo.plant.plugins.plugin_utils.journal_format import (
    FIRST_PREVIOUS,
    Keys,
    Kind,
    Line,
    LineFault,
    read,
)

START, END = "ansible:start", "ansible:end"


class Head(NamedTuple):
    """The end of a chain: number and hash of its last record."""

    sequence: int
    hash: bytes


NOTHING = Head(0, FIRST_PREVIOUS)


class Finding(Exception):
    """The first bad record of a journal, and what is wrong with it."""

    def __init__(self, kind: Kind, path: Path, line: int, what: str, detail: str) -> None:
        super().__init__(f"{path}:{line}: {kind}: {what}: {detail}")
        self.kind, self.path, self.line, self.what, self.detail = kind, path, line, what, detail


@dataclass
class Report:
    """What was found whole."""

    records: int = 0
    heads: dict[str, Head] = field(default_factory=dict)
    # runs that began and have no end: they run still, or were cut
    unfinished: dict[str, str] = field(default_factory=dict)


class _Place(NamedTuple):
    path: Path
    number: int
    text: bytes


def verify(
    paths: Sequence[Path], keys: Keys, remembered: Mapping[str, Head] | None = None, *, from_first: bool = True
) -> Report:
    """Raises Finding at the first bad record, OSError. PATHS in their order; several writers may share a file.

    `remembered`: how far a writer's journal is known to have been, by its name. `from_first`: a journal begins with
    record 1; otherwise with whichever comes first.
    """
    report = Report()
    places = list(_places(paths))
    wanted = dict(remembered or {})
    for index, place in enumerate(places):
        if not place.text.endswith(b"\n"):
            detail = f"its last line was cut after {len(place.text)} bytes"
            raise Finding(Kind.TRUNCATED, place.path, place.number, "the last record", detail)
        try:
            line = read(place.text[:-1], keys)
        except LineFault as fault:
            raise _bad(place, fault, places[index + 1 :], report, keys) from fault
        head = report.heads.get(line.writer, NOTHING)
        if line.writer in report.heads or from_first or line.sequence == 1:
            _follow(place, line, head, places[index + 1 :], keys)
        report.heads[line.writer] = Head(line.sequence, line.hash)
        report.records += 1
        _note_run(report, line)
        known = wanted.get(line.writer)
        if known and known.sequence == line.sequence:
            if known.hash != line.hash:
                detail = "another record of this number is remembered"
                raise Finding(Kind.EDITED, place.path, place.number, _name(line), detail)
            del wanted[line.writer]
    _reaches(paths, places, report, wanted)
    return report


def _places(paths: Sequence[Path]) -> Iterator[_Place]:
    for path in paths:
        with path.open("rb") as file:
            for number, text in enumerate(file, 1):
                yield _Place(path, number, text)


def _name(line: Line) -> str:
    return f"record {line.sequence} of {line.writer}"


def _bad(place: _Place, fault: LineFault, following: Sequence[_Place], report: Report, keys: Keys) -> Finding:
    """Where nothing is missing without the bad line, it is one too many."""
    after = _genuine(following[:1], keys)
    if after and after[0].previous == report.heads.get(after[0].writer, NOTHING).hash:
        detail = f"{fault.detail}, and record {after[0].sequence} doesn't follow on it"
        return Finding(Kind.INSERTED, place.path, place.number, fault.what, detail)
    return Finding(fault.kind, place.path, place.number, fault.what, fault.detail)


def _follow(place: _Place, line: Line, head: Head, following: Sequence[_Place], keys: Keys) -> None:
    def finding(kind: Kind, what: str, detail: str) -> Finding:
        return Finding(kind, place.path, place.number, what, detail)

    if line.sequence <= head.sequence:
        raise finding(Kind.INSERTED, _name(line), f"it stands once more after record {head.sequence}")
    if line.sequence > head.sequence + 1:
        missing = head.sequence + 1
        if any(other.writer == line.writer and other.sequence == missing for other in _genuine(following, keys)):
            raise finding(Kind.REORDERED, _name(line), f"record {missing} comes after it")
        detail = f"record {line.sequence} follows on {head.sequence}"
        raise finding(Kind.REMOVED, f"record {missing} of {line.writer}", detail)
    if line.previous != head.hash:
        detail = f"{_name(line)} was written after another"
        raise finding(Kind.EDITED, f"record {head.sequence} of {line.writer}", detail)


def _genuine(places: Sequence[_Place], keys: Keys) -> list[Line]:
    found = []
    for place in places:
        try:
            found.append(read(place.text.rstrip(b"\n"), keys))
        except LineFault:
            continue
    return found


def _note_run(report: Report, line: Line) -> None:
    action, run = line.event.get("action"), line.event.get("record", {}).get("id")
    if action == START:
        report.unfinished[run] = line.event["at"]
    elif action == END:
        report.unfinished.pop(run, None)


def _reaches(paths: Sequence[Path], places: Sequence[_Place], report: Report, wanted: Mapping[str, Head]) -> None:
    """What is remembered was read."""
    for writer, known in wanted.items():
        last = report.heads.get(writer, NOTHING).sequence
        # before the first record that was given, when the older files lie elsewhere
        if known.sequence > 0 and last < known.sequence:
            path, number = (places[-1].path, places[-1].number) if places else (paths[-1] if paths else Path(), 0)
            detail = f"the journal ends with record {last}; record {known.sequence} is remembered"
            raise Finding(Kind.TRUNCATED, path, number, f"record {last + 1} of {writer}", detail)
