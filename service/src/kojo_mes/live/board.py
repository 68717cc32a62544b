"""The present state of all things, and in which order they came to it. Pure: no clock, no database.

Listeners hold only a position, never a queue: whoever is slow skips what was outdated meanwhile, and costs no memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from kojo_mes.live.schemas import EquipmentNow, LineNow, QualityNow, Snapshot, SourceNow

Thing = SourceNow | LineNow | EquipmentNow | QualityNow
EVENTS: dict[type[Thing], str] = {
    SourceNow: "source",
    LineNow: "line",
    EquipmentNow: "equipment",
    QualityNow: "quality",
}


@dataclass(frozen=True)
class Posted:
    """A thing's state since `position`."""

    position: int
    event: str
    line: str | None  # none: of all lines
    thing: Thing
    data: str

    def concerns(self, lines: Collection[str]) -> bool:
        """Whoever asks for no lines asks for all."""
        return not lines or self.line is None or self.line in lines


class Board:
    def __init__(self) -> None:
        self.position = 0
        self._whole_from = 0
        self._present: dict[object, Posted] = {}  # in the plant's order
        self._changed: dict[object, Posted] = {}  # the same, the latest change last

    def post(self, things: Iterable[Thing]) -> bool:
        """All things there are, as they are now. Is anything other than before?"""
        before, present = self.position, dict[object, Posted]()
        for thing in things:
            key = _key(thing)
            posted = self._present.get(key)
            if posted is None or posted.thing != thing:
                self.position += 1
                line = None if isinstance(thing, SourceNow) else thing.line
                posted = Posted(self.position, EVENTS[type(thing)], line, thing, thing.model_dump_json())
                self._changed.pop(key, None)
                self._changed[key] = posted
            present[key] = posted
        if gone := self._present.keys() - present.keys():
            for key in gone:
                del self._changed[key]
            # no event says that a thing is gone, a snapshot does
            self.position += 1
            self._whole_from = self.position
        self._present = present
        return self.position != before

    def since(self, position: int, lines: Collection[str]) -> list[Posted] | None:
        """What is other than at the position, in the order of its change; None when that takes a snapshot."""
        if not self._whole_from <= position <= self.position:
            return None
        news = []
        for posted in reversed(self._changed.values()):
            if posted.position <= position:
                break
            if posted.concerns(lines):
                news.append(posted)
        return news[::-1]

    def snapshot(self, lines: Collection[str]) -> Snapshot:
        things = [posted.thing for posted in self._present.values() if posted.concerns(lines)]
        (source,) = (thing for thing in things if isinstance(thing, SourceNow))
        return Snapshot(
            source=source,
            lines=[thing for thing in things if isinstance(thing, LineNow)],
            equipment=[thing for thing in things if isinstance(thing, EquipmentNow)],
            quality=[thing for thing in things if isinstance(thing, QualityNow)],
        )

    def lines(self) -> set[str]:
        return {posted.line for posted in self._present.values() if posted.line is not None}


def _key(thing: Thing) -> object:
    name = None if isinstance(thing, SourceNow) else thing.equipment if isinstance(thing, EquipmentNow) else thing.line
    return type(thing), name
