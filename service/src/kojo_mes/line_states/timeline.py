"""A line's time line: spans of state that follow each other without gap or overlap. Pure: no clock, no database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    RUNNING = "running"
    PLANNED_STOP = "planned_stop"
    UNPLANNED_STOP = "unplanned_stop"
    CHANGEOVER = "changeover"
    NO_SHIFT = "no_shift"
    UNKNOWN = "unknown"


WITH_REASON = {State.PLANNED_STOP, State.UNPLANNED_STOP, State.CHANGEOVER}


@dataclass(frozen=True)
class Interval:
    """From `start` on, up to before `end`."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{self.start.isoformat()} to {self.end.isoformat()}"

    @property
    def length(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True)
class Span:
    """A state from `start` up to before `end`; without `end` it lasts."""

    start: datetime
    end: datetime | None
    state: State
    reason: str | None = None
    product: str | None = None


@dataclass(frozen=True)
class Stop:
    """An unplanned stop, whatever reasons it was given on the way; without `end` the line still stands."""

    start: datetime
    end: datetime | None

    def is_micro(self, limit: timedelta) -> bool:
        """Shorter than the line's limit. A stop that lasts is none yet: nobody knows how long it will be."""
        return self.end is not None and self.end - self.start < limit


def clipped(spans: Iterable[Span], window: Interval) -> list[tuple[Interval, Span]]:
    """What of the spans lies in the window, with the span that it is of."""
    parts = []
    for span in spans:
        start = max(span.start, window.start)
        end = window.end if span.end is None else min(span.end, window.end)
        if start < end:
            parts.append((Interval(start, end), span))
    return parts


def uncovered(window: Interval, covers: Iterable[Interval]) -> list[Interval]:
    """What of the window none of the covers covers; they may overlap and come in any order."""
    gaps, reached = [], window.start
    for cover in sorted(covers, key=lambda cover: cover.start):
        if cover.start >= window.end:
            break
        if cover.start > reached:
            gaps.append(Interval(reached, cover.start))
        reached = max(reached, cover.end)
    if reached < window.end:
        gaps.append(Interval(reached, window.end))
    return gaps


def stops(spans: Iterable[Span]) -> list[Stop]:
    """Unplanned stops of a time line in order; neighbours are one stop, so that a reason in between shortens none."""
    found: list[Stop] = []
    for span in spans:
        if span.state is not State.UNPLANNED_STOP:
            continue
        if found and found[-1].end == span.start:
            found[-1] = replace(found[-1], end=span.end)
        else:
            found.append(Stop(span.start, span.end))
    return found


def reclassified(
    spans: Sequence[Span], window: Interval, state: State, reason: str | None, product: str | None
) -> list[Span]:
    """The spans with the window's part of them in another state; what sticks out of the window stays as it was.

    The spans must cover the window (ValueError). Each keeps its boundaries inside the window: what was one event is not
    melted into another. A span that lasts is cut at the window's end, and lasts beyond it. Without `product` each part
    keeps its own.
    """
    if gaps := uncovered(window, [Interval(span.start, span.end or window.end) for span in spans]):
        raise ValueError(f"no state is known from {gaps[0]}")
    result: list[Span] = []
    for span in spans:
        inside = clipped([span], window)
        if not inside:
            result.append(span)
            continue
        part = inside[0][0]
        if span.start < part.start:
            result.append(replace(span, end=part.start))
        result.append(Span(part.start, part.end, state, reason, product or span.product))
        if span.end is None or part.end < span.end:
            result.append(replace(span, start=part.end))
    return result
