"""Of which times a line's counters tell what was made. Pure: no clock, no database.

A reading tells of the time since the one before it. Where that is longer than HOLD, or where a total went back and that
was no roll-over, nobody knows what was made: the time has no count, and OEE names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from kojo_mes.line_states.timeline import Interval, uncovered

BUCKET = timedelta(minutes=5)  # a count's longest time
FASTEST = 2  # times the ideal pace: more units than that in a total's roll-over are a reset
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """Units of a time; of `product` as the line was set up."""

    time: Interval
    product: str
    good: int
    scrap: int


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


def told(parts: Iterable[Interval], covered: Sequence[Sequence[Interval]]) -> list[Interval]:
    """Of the parts, the times that all counters tell of, each of what it `covered`."""
    return [
        time
        for part in parts
        for time in uncovered(part, [gap for counter in covered for gap in uncovered(part, counter)])
    ]
