"""What a line's signals mean by the shift calendar. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kojo_mes.line_states.timeline import Interval, Span, State, uncovered
from kojo_mes.signals.statuses import Said, Signal

UNCLASSIFIED = "unclassified"  # the reason of a stop that nobody has explained yet


@dataclass(frozen=True)
class Calendar:
    """Shifts in order, and the time that the calendar speaks of (none: nobody made one, and no time is off)."""

    shifts: Sequence[Interval]
    spoken: Interval | None

    def off(self, time: Interval) -> list[Interval]:
        """What of the time is outside shifts, as far as the calendar speaks of it."""
        if self.spoken is None:
            return []
        start, end = max(time.start, self.spoken.start), min(time.end, self.spoken.end)
        return uncovered(Interval(start, end), self.shifts) if start < end else []


def states(said: Iterable[Said], calendar: Calendar, product: str) -> list[Span]:
    """Running is running whenever it is; a line that stands or is silent outside its shifts has no shift."""
    spans: list[Span] = []
    for time, signal in said:
        if signal is Signal.RUNNING:
            spans.append(Span(time.start, time.end, State.RUNNING, None, product))
            continue
        off = calendar.off(time)
        spans += [Span(part.start, part.end, State.NO_SHIFT) for part in off]
        spans += [_within_shift(part, signal, product) for part in uncovered(time, off)]
    return sorted(spans, key=lambda span: span.start)


def _within_shift(time: Interval, signal: Signal, product: str) -> Span:
    if signal is Signal.STOPPED:
        return Span(time.start, time.end, State.UNPLANNED_STOP, UNCLASSIFIED, product)
    return Span(time.start, time.end, State.UNKNOWN)
