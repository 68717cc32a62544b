"""What signals say woven into a line's time line, between what people say. Pure.

People's words stand: what somebody recorded or reclassified is never overwritten. Only the present state, when somebody
recorded it, ends where the machines enter a state that contradicts it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from kojo_mes.line_states.timeline import Interval, Span, State, clipped
from kojo_mes.signals.statuses import Said, Signal


@dataclass(frozen=True)
class Row:
    """A state of the time line. `id` is none where it isn't stored yet."""

    span: Span
    derived: bool
    id: str | None = None


@dataclass(frozen=True)
class Changes:
    """What makes the stored time line the wanted one: in this order, none of the database's rules is broken on the way.
    Only what is `removed` was said before, and has to be kept."""

    removed: tuple[Row, ...]
    ended: tuple[Row, ...]  # stored rows that lasted, with their end
    added: tuple[Span, ...]


def contradiction(said: Sequence[Said], row: Row, since: datetime) -> datetime | None:
    """Where, from `since` on and after the row's beginning, the line enters what contradicts the row: it runs though it
    should stand, stands though it should run, or is heard of though it should be unknown. `said` begins before."""
    for _, after in pairwise(said):
        start = after.time.start
        if start >= since and start > row.span.start and after.signal in _against(row.span.state):
            return start
    return None


def _against(state: State) -> set[Signal]:
    if state is State.RUNNING:
        return {Signal.STOPPED}
    if state is State.UNKNOWN:
        return {Signal.RUNNING, Signal.STOPPED}
    return {Signal.RUNNING}


def woven(
    stored: Sequence[Row], window: Interval, spans: Sequence[Span], ends: datetime | None, *, last: bool
) -> list[Row]:
    """The time line with the window's derived part as `spans` have it.

    `stored` are the rows that touch the window or its ends, in order, `spans` the signals' states of the window.
    `ends`: where the present state, which somebody recorded, ends. `last`: nothing is derived after the window, so its
    last state lasts. Before the first row a time line begins where something is known.
    """
    rows: list[Row] = []
    beginning = stored[0].span.start if stored else window.end
    if window.start < beginning:
        rows += _first(spans, Interval(window.start, min(beginning, window.end)))
    set_up: str | None = None
    for row in stored:
        rows += _derived(row, window, spans, set_up, last) if row.derived else _said(row, window, spans, ends)
        if not row.derived:
            set_up = row.span.product or set_up
    if not stored and rows:
        rows[-1] = replace(rows[-1], span=replace(rows[-1].span, end=None))
    return _merged(rows)


def _first(spans: Sequence[Span], window: Interval) -> list[Row]:
    parts = _inside(spans, window, None)
    known = (State.RUNNING, State.UNPLANNED_STOP)
    first = next((number for number, row in enumerate(parts) if row.span.state in known), len(parts))
    return parts[first:]


def _said(row: Row, window: Interval, spans: Sequence[Span], ends: datetime | None) -> list[Row]:
    """Of somebody's row: as it is, but for the present one's end."""
    if row.span.end is not None or ends is None:
        return [row]
    rest = _inside(spans, Interval(ends, window.end), row.span.product)
    rest[-1] = replace(rest[-1], span=replace(rest[-1].span, end=None))
    return [replace(row, span=replace(row.span, end=ends)), *rest]


def _derived(row: Row, window: Interval, spans: Sequence[Span], set_up: str | None, last: bool) -> list[Row]:
    """Of a row of the signals: its part of the window is `spans`'. `set_up` is somebody's word of the window; in the
    past the line was set up for what is stored."""
    span = row.span
    start = max(span.start, window.start)
    end = window.end if span.end is None else min(span.end, window.end)
    if start >= end:
        return [row]
    rows = [replace(row, span=replace(span, end=start))] if span.start < start else []
    rows += _inside(spans, Interval(start, end), set_up if last else span.product or set_up)
    if span.end is None or end < span.end:
        after = rows[-1].span if last else span
        rows.append(Row(replace(after, start=end, end=span.end), derived=True))
    return rows


def _inside(spans: Sequence[Span], window: Interval, product: str | None) -> list[Row]:
    """With `product` where the signals' states have one."""
    return [
        Row(
            replace(span, start=part.start, end=part.end, product=span.product and (product or span.product)),
            derived=True,
        )
        for part, span in clipped(spans, window)
    ]


def _merged(rows: Iterable[Row]) -> list[Row]:
    """Derived neighbours that say the same are one."""
    merged: list[Row] = []
    for row in rows:
        if merged and row.derived and merged[-1].derived and _same(merged[-1].span, row.span):
            merged[-1] = replace(merged[-1], span=replace(merged[-1].span, end=row.span.end))
        else:
            merged.append(row)
    return merged


def _same(one: Span, other: Span) -> bool:
    return replace(one, start=other.start, end=other.end) == other


def changes(stored: Sequence[Row], wanted: Sequence[Row]) -> Changes:
    """From one time line to the other. A row that lasts may end; any other one that differs is replaced."""
    # what was the first of all follows another now, and that can't be changed in its place
    earlier = stored[0] if stored and wanted[0].span.start < stored[0].span.start else None
    kept = {(row.span, row.derived) for row in wanted} & {
        (row.span, row.derived) for row in stored if row is not earlier
    }
    fresh = {(row.span.start, row.derived): row for row in wanted if (row.span, row.derived) not in kept}
    removed, ended = [], []
    for row in stored:
        if (row.span, row.derived) in kept:
            continue
        successor = None if row is earlier else fresh.get((row.span.start, row.derived))
        if row.span.end is None and successor and replace(successor.span, end=None) == row.span:
            ended.append(replace(row, span=successor.span))
            del fresh[row.span.start, row.derived]
        else:
            removed.append(row)
    return Changes(tuple(removed), tuple(ended), tuple(row.span for row in fresh.values()))
