"""From a weekly pattern to its shifts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Days:
    """Whole days, both ends included."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True)
class Pattern:
    """`ends` at or before `starts` is on the next day. Weekdays by ISO 8601: 1 is Monday, 7 Sunday."""

    weekdays: frozenset[int]
    starts: time
    ends: time
    days: Days


@dataclass(frozen=True)
class Occurrence:
    """A shift belongs to the day on which it starts."""

    day: date
    starts_at: datetime
    ends_at: datetime


def occurrences(pattern: Pattern, zone: ZoneInfo, closed: Sequence[Days] = ()) -> Iterator[Occurrence]:
    """The pattern's shifts in order, none on closed days.

    Times are the wall clock's: over a change of summer time a night shift is an hour longer or shorter. A time that the
    clock skips is taken as if it had not been skipped yet, one that comes twice is its first (PEP 495, fold 0).
    """
    day = pattern.days.first
    while day in pattern.days:
        if day.isoweekday() in pattern.weekdays and not any(day in days for days in closed):
            end_day = day if pattern.ends > pattern.starts else day + timedelta(days=1)
            yield Occurrence(day, _moment(day, pattern.starts, zone), _moment(end_day, pattern.ends, zone))
        day += timedelta(days=1)


def _moment(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, zone).astimezone(UTC)
