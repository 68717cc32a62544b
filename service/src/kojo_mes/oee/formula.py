"""Overall equipment effectiveness of a line by ISO 22400-2:2014. Pure: no clock, no database.

Elements (ISO 22400-2, clause 5) and what they are made of here:

* PBT, planned busy time: the shift calendar's time in the period, less planned stops. Changeovers stay in it.
* APT, actual production time: time running within shifts; unplanned stops shorter than the line's micro-stop limit
  count as running, and so lower effectiveness instead of availability (minor stoppages are a loss of speed: Nakajima,
  Introduction to TPM, 1988).
* PRI, planned run time per item: the ideal cycle time of line and product in force when a count began.
* PQ, produced quantity: good + scrap + rework; GQ, good quantity: good.

Indicators: availability = APT / PBT; effectiveness = PRI × PQ / APT; quality ratio = GQ / PQ; OEE is their product.
Over several products PRI × PQ, PQ and GQ are sums. Times are added in whole microseconds: only the division rounds.

Nothing is guessed or capped: what is missing is named (`Missing`), and what can't be right is returned with a finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice

from kojo_mes.line_states.timeline import Interval, Span, State, Stop, clipped, stops, uncovered

MICROSECOND = timedelta(microseconds=1)
BUSY = {State.RUNNING, State.UNPLANNED_STOP, State.CHANGEOVER}
NAMED_AT_MOST = 20  # of one kind of missing input; the rest is a number


@dataclass(frozen=True)
class Count:
    """Units of a product that a line made from `time.start` up to before `time.end`."""

    time: Interval
    product: str
    good: int
    scrap: int
    rework: int

    @property
    def produced(self) -> int:
        return self.good + self.scrap + self.rework


@dataclass(frozen=True)
class CycleTime:
    """Seconds a unit, in force from `start` (without: ever) up to before `end` (without: still)."""

    product: str
    start: datetime | None
    end: datetime | None
    seconds: Decimal

    def covers(self, moment: datetime) -> bool:
        return (self.start is None or self.start <= moment) and (self.end is None or moment < self.end)


@dataclass(frozen=True)
class Inputs:
    """All that is known of a line for a period. `windows` are the calendar's shifts in it, in order."""

    windows: Sequence[Interval]
    spans: Sequence[Span]  # in order; neighbours of the windows too, so that a stop has its whole length
    counts: Sequence[Count]  # in order of their beginning; all that touch a window
    cycle_times: Sequence[CycleTime]
    micro_stop_limit: timedelta
    as_of: datetime  # nothing later is known


@dataclass(frozen=True)
class Absence:
    """An input that the figure needs and that isn't there."""

    input: str  # shift, line_state, production_count, ideal_cycle_time, product
    detail: str


@dataclass(frozen=True)
class Missing:
    """There is no figure, and why."""

    absences: tuple[Absence, ...]


@dataclass(frozen=True)
class Finding:
    """The figure is what its inputs say; this says which of them are not plausible, or what is not defined."""

    code: str
    detail: str


@dataclass(frozen=True)
class Oee:
    planned_busy_time: timedelta
    actual_production_time: timedelta
    ideal_production_time: timedelta  # sum of PRI × PQ
    good: int
    scrap: int
    rework: int
    availability: float
    effectiveness: float | None  # None: not defined, without production time
    quality_ratio: float | None  # None: not defined, without a unit
    oee: float
    micro_stops: int
    micro_stop_time: timedelta
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Time:
    """The line's time in the windows, by what it counts as."""

    busy: timedelta
    running: list[Interval]
    producing: timedelta
    micro_stops: int
    micro_stop_time: timedelta


def oee(inputs: Inputs, product: str | None = None) -> Oee | Missing:
    """The line's figure over all products, or with `product` of the time and units that were that product's."""
    absences = [*_missing_time(inputs, product)]
    time = _time(inputs, product)
    counts, misfits = _counts(inputs, product)
    absences += misfits
    absences += _uncounted(time.running, counts)
    ideal, unknown = _ideal(counts, inputs.cycle_times)
    absences += unknown
    produced = sum(count.produced for count in counts)
    if not time.producing and produced:
        whose = f" of {product}" if product else ""
        absences.append(
            Absence("line_state", f"{produced} units{whose} were counted, but no state says that the line ran")
        )
    if not absences and not time.busy:
        absences.append(Absence("shift", "there is no planned busy time: all of it was planned stops"))
    if absences:
        return Missing(tuple(absences))
    return _figure(time, counts, ideal)


def _figure(time: _Time, counts: Sequence[Count], ideal: timedelta) -> Oee:
    good, scrap, rework = (sum(getattr(count, name) for count in counts) for name in ("good", "scrap", "rework"))
    produced = good + scrap + rework
    availability = _ratio(time.producing, time.busy)
    effectiveness = _ratio(ideal, time.producing) if time.producing else None
    quality = good / produced if produced else None
    # without a unit the product is 0 whatever the quality ratio would be: the effectiveness is 0, or nothing ran
    value = availability * effectiveness * quality if effectiveness is not None and quality is not None else 0.0
    return Oee(
        planned_busy_time=time.busy,
        actual_production_time=time.producing,
        ideal_production_time=ideal,
        good=good,
        scrap=scrap,
        rework=rework,
        availability=availability,
        effectiveness=effectiveness,
        quality_ratio=quality,
        oee=value,
        micro_stops=time.micro_stops,
        micro_stop_time=time.micro_stop_time,
        findings=tuple(_findings(effectiveness, quality, value, produced, ideal, time)),
    )


def _ratio(part: timedelta, whole: timedelta) -> float:
    return (part // MICROSECOND) / (whole // MICROSECOND)


def _findings(
    effectiveness: float | None, quality: float | None, value: float, produced: int, ideal: timedelta, time: _Time
) -> Iterable[Finding]:
    if effectiveness is None:
        yield Finding("effectiveness-not-defined", "the line did not run: the OEE is 0 because nothing was made")
    elif effectiveness > 1:
        yield Finding(
            "effectiveness-over-1",
            f"{produced} units need {ideal.total_seconds():g} s at their ideal cycle times, but the line ran for "
            f"{time.producing.total_seconds():g} s: ideal_cycle_time is too long, production_count too high, or "
            "line_state too short",
        )
    if quality is None:
        yield Finding("quality-ratio-not-defined", "no unit was made: the OEE is 0 whatever the quality ratio would be")
    if value > 1:
        yield Finding("oee-over-1", "follows from effectiveness-over-1")


def _of(span: Span, product: str | None) -> bool:
    return product is None or span.product == product


def _missing_time(inputs: Inputs, product: str | None) -> Iterable[Absence]:
    if not inputs.windows:
        yield Absence("shift", "the shift calendar has no shift in the period")
    gaps, unknown, contradictions, undecided, nobodys = [], [], [], [], []
    covers = [Interval(span.start, span.end or inputs.as_of) for span in inputs.spans]
    all_stops = stops(inputs.spans)
    for window in inputs.windows:
        if window.end > inputs.as_of:
            yield Absence("shift", f"the shift from {window} has not ended")
            continue
        gaps += uncovered(window, covers)
        for part, span in clipped(inputs.spans, window):
            if span.state is State.UNKNOWN:
                unknown.append(part)
            elif span.state is State.NO_SHIFT:
                contradictions.append(part)
            elif product is not None and span.product is None and span.state in BUSY:
                nobodys.append(part)
        undecided += [stop for stop in all_stops if _undecided(stop, window, inputs)]
    yield from _named("line_state", "no state is recorded from", gaps)
    yield from _named("line_state", "the state is unknown from", unknown)
    yield from _named("line_state", "no_shift contradicts the shift calendar from", contradictions)
    yield from _named("product", "the state names no product from", nobodys)
    for stop in dict.fromkeys(undecided):
        yield Absence(
            "line_state",
            f"the stop since {stop.start.isoformat()} has not ended, and may yet be a micro-stop; ask again after "
            f"{(stop.start + inputs.micro_stop_limit).isoformat()}",
        )


def _undecided(stop: Stop, window: Interval, inputs: Inputs) -> bool:
    return stop.end is None and stop.start < window.end and inputs.as_of - stop.start < inputs.micro_stop_limit


def _named(name: str, what: str, times: Sequence[object]) -> Iterable[Absence]:
    for time in times[:NAMED_AT_MOST]:
        yield Absence(name, f"{what} {time}")
    if len(times) > NAMED_AT_MOST:
        yield Absence(name, f"{what} … and {len(times) - NAMED_AT_MOST} more times")


def _time(inputs: Inputs, product: str | None) -> _Time:
    busy = producing = micro_time = timedelta()
    running: list[Interval] = []
    seen: set[datetime] = set()
    micro = {stop.start: stop for stop in stops(inputs.spans) if stop.is_micro(inputs.micro_stop_limit)}
    stop_of = _stop_starts(inputs.spans) if micro else {}
    for window in inputs.windows:
        for part, span in clipped(inputs.spans, window):
            if span.state not in BUSY or not _of(span, product):
                continue
            busy += part.length
            if span.state is State.RUNNING:
                producing += part.length
                running.append(part)
            elif span.state is State.UNPLANNED_STOP and (start := stop_of.get(span.start)) in micro:
                assert start is not None
                producing += part.length
                micro_time += part.length
                seen.add(start)
    return _Time(busy, running, producing, len(seen), micro_time)


def _stop_starts(spans: Iterable[Span]) -> Mapping[datetime, datetime]:
    """The beginning of the stop that each unplanned span is part of."""
    starts: dict[datetime, datetime] = {}
    start: datetime | None = None
    end: datetime | None = None
    for span in spans:
        if span.state is State.UNPLANNED_STOP:
            start = start if end == span.start and start is not None else span.start
            starts[span.start], end = start, span.end
    return starts


def _counts(inputs: Inputs, product: str | None) -> tuple[list[Count], list[Absence]]:
    """Counts within one window each. One that reaches beyond can't be split without a guess."""
    taken: list[Count] = []
    misfits: list[object] = []
    windows = iter(inputs.windows)
    window = next(windows, None)
    for count in inputs.counts:
        while window is not None and window.end <= count.time.start:
            window = next(windows, None)
        if window is None:
            break
        if (product is not None and count.product != product) or count.time.end <= window.start:
            continue
        if count.time.start >= window.start and count.time.end <= window.end:
            taken.append(count)
        else:
            misfits.append(f"{count.time} of {count.product}")
    return taken, list(_named("production_count", "a count reaches over a boundary of shift or period:", misfits))


def _uncounted(running: Sequence[Interval], counts: Sequence[Count]) -> list[Absence]:
    """Time running that no count speaks of. A count of 0 units speaks; none is no input."""
    gaps: list[Interval] = []
    position = 0
    for part in running:
        while position < len(counts) and counts[position].time.end <= part.start:
            position += 1
        near = []
        for count in islice(counts, position, None):
            if count.time.start >= part.end:
                break
            near.append(count.time)
        gaps += uncovered(part, near)
    return list(_named("production_count", "the line ran, but nothing says what it made from", gaps))


def _ideal(counts: Sequence[Count], cycle_times: Sequence[CycleTime]) -> tuple[timedelta, list[Absence]]:
    versions: dict[str, list[CycleTime]] = {}
    for cycle_time in cycle_times:
        versions.setdefault(cycle_time.product, []).append(cycle_time)
    microseconds, unknown = Decimal(0), dict[str, datetime]()
    for count in counts:
        found = next((one for one in versions.get(count.product, []) if one.covers(count.time.start)), None)
        if found is None:
            unknown.setdefault(count.product, count.time.start)
        else:
            microseconds += found.seconds * count.produced * 1_000_000
    absences = [
        Absence("ideal_cycle_time", f"of {product}: none is in force at {moment.isoformat()}")
        for product, moment in unknown.items()
    ]
    return timedelta(microseconds=int(microseconds)), absences
