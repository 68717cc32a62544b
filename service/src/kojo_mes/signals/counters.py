"""From the counters of a line's equipment to production counts. Pure: no clock, no database.

A reading tells of the time since the one before it. Where that is longer than HOLD, or where a total went back and that
was no roll-over, nobody knows what was made: the time has no count, and OEE names it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from kojo_mes.line_states.timeline import Interval, uncovered
from kojo_mes.signals.statuses import HOLD, Readings

BUCKET = timedelta(minutes=5)  # a count's longest time
FASTEST = 2  # times the ideal pace: more units than that in a total's roll-over are a reset
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Told:
    """What was made from `since` (without: nobody knows) up to and including `time`."""

    since: datetime | None
    time: datetime
    units: int


@dataclass(frozen=True)
class Counter:
    good: bool  # or of rejected units
    told: Sequence[Told]  # in the order of time


@dataclass(frozen=True)
class Made:
    """Units of a time; of `product` as the line was set up."""

    time: Interval
    product: str
    good: int
    scrap: int


def of_increments(readings: Readings) -> list[Told]:
    """Of a counter that sends the units since its reading before."""
    befores = [None, *(moment for moment, _ in readings)]
    return [
        Told(_near(before, moment), moment, int(value))
        for before, (moment, value) in zip(befores, readings, strict=False)
    ]


def of_totals(readings: Readings, limit: int, ideal_cycle_time: float) -> list[Told]:
    """Of a counter that sends all units so far, and begins at 0 again after `limit`.

    A total that is lower than the one before has rolled over when the line can have made what that means, FASTEST times
    its ideal pace; else it was set back, and what was made meanwhile isn't known.
    """
    told = [Told(None, moment, 0) for moment, _ in readings[:1]]
    for (before, old), (moment, new) in pairwise(readings):
        units = int(new - old)
        since = _near(before, moment)
        if units < 0:
            units += limit + 1
            possible = FASTEST * (moment - before).total_seconds() / ideal_cycle_time + 1
            if not 0 <= units <= possible:
                since, units = None, 0
        told.append(Told(since, moment, units))
    return told


def _near(before: datetime | None, moment: datetime) -> datetime | None:
    return before if before is not None and moment - before <= HOLD else None


def bucket_of(moment: datetime) -> datetime:
    """Where the moment's bucket begins; buckets are the same for ever."""
    return moment - (moment - EPOCH) % BUCKET


def parts(window: Interval, cuts: Iterable[datetime], taken: Iterable[Interval]) -> list[Interval]:
    """The window by buckets and at the cuts, without what is taken: what a count may be of."""
    moments = {window.start, window.end, *(moment for moment in cuts if window.start < moment < window.end)}
    moment = bucket_of(window.start) + BUCKET
    while moment < window.end:
        moments.add(moment)
        moment += BUCKET
    blocked = list(taken)
    return [free for start, end in pairwise(sorted(moments)) for free in uncovered(Interval(start, end), blocked)]


def counted(part: Interval, product: str, counters: Sequence[Counter]) -> list[Made]:
    """What was made in the part, for the time that all counters tell of. A unit belongs to the time at which it was
    told."""
    near = [replace(counter, told=_near_to(part, counter.told)) for counter in counters]
    silent = [gap for counter in near for gap in uncovered(part, _covers(counter))]
    return [
        Made(time, product, _units(time, near, good=True), _units(time, near, good=False))
        for time in uncovered(part, silent)
    ]


def _near_to(part: Interval, told: Sequence[Told]) -> Sequence[Told]:
    """What tells of the part, or of some of it."""
    first = bisect_right(told, part.start, key=lambda one: one.time)
    return told[first : bisect_left(told, part.end, key=lambda one: one.time) + 1]


def _covers(counter: Counter) -> list[Interval]:
    return [Interval(told.since, told.time) for told in counter.told if told.since is not None]


def _units(time: Interval, counters: Sequence[Counter], *, good: bool) -> int:
    return sum(
        told.units
        for counter in counters
        if counter.good is good
        for told in counter.told
        if time.start < told.time <= time.end
    )
