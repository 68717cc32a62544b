"""Time lines and OEE against an oracle that counts second by second, over random histories (hypothesis)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kojo_mes.line_states.timeline import Interval, Span, State, reclassified, uncovered
from kojo_mes.oee.formula import Count, CycleTime, Inputs, Missing, Oee, oee

DAWN = datetime(2026, 3, 1, tzinfo=UTC)
PRODUCTS = ("housing-100", "housing-200")
BUSY = {State.RUNNING, State.UNPLANNED_STOP, State.CHANGEOVER}


def at(second: int) -> datetime:
    return DAWN + timedelta(seconds=second)


def second(moment: datetime) -> int:
    return int((moment - DAWN).total_seconds())


def between(start: int, end: int) -> Interval:
    return Interval(at(start), at(end))


@st.composite
def time_lines(draw: st.DrawFn, states: tuple[State, ...] = tuple(State)) -> list[Span]:
    """Spans without gap or overlap; the last may last."""
    moment, spans = draw(st.integers(0, 5)), []
    for _ in range(draw(st.integers(1, 12))):
        length = draw(st.integers(1, 30))
        state = draw(st.sampled_from(states))
        product = draw(st.sampled_from(PRODUCTS if state is State.RUNNING else (*PRODUCTS, None)))
        spans.append(Span(at(moment), at(moment + length), state, None, product))
        moment += length
    if draw(st.booleans()):
        spans[-1] = replace(spans[-1], end=None)
    return spans


@st.composite
def inputs(draw: st.DrawFn) -> Inputs:
    """Mostly complete, so that figures are as frequent as refusals."""
    usual = (State.RUNNING, State.RUNNING, State.UNPLANNED_STOP, State.PLANNED_STOP, State.CHANGEOVER)
    spans = draw(time_lines(tuple(State) if draw(st.integers(0, 3)) == 0 else usual))
    end = second(spans[-1].start) + 30
    cuts = sorted(draw(st.sets(st.integers(5, max(6, end)), min_size=2, max_size=6)))
    windows = [between(*cuts[index : index + 2]) for index in range(0, len(cuts) - 1, 2)]
    counts = []
    for product in PRODUCTS:
        for window in windows:
            inner = draw(st.sets(st.integers(second(window.start), second(window.end)), max_size=3))
            borders = sorted({second(window.start), second(window.end)} | inner)
            for start, stop in pairwise(borders):
                if draw(st.integers(0, 9)):
                    counts.append(Count(between(start, stop), product, *(draw(st.integers(0, 9)) for _ in range(3))))
    if draw(st.integers(0, 9)) == 0:
        start = draw(st.integers(0, end))
        counts.append(Count(between(start, start + draw(st.integers(1, 30))), PRODUCTS[0], 1, 0, 0))
    times = [CycleTime(PRODUCTS[0], None, None, Decimal("1.25"))]
    if draw(st.integers(0, 9)):
        change = at(draw(st.integers(0, end)))
        times += [
            CycleTime(PRODUCTS[1], None, change, Decimal("2.000001")),
            CycleTime(PRODUCTS[1], change, None, Decimal(3)),
        ]
    return Inputs(
        windows=windows,
        spans=spans,
        counts=sorted(counts, key=lambda count: count.time.start),
        cycle_times=times,
        micro_stop_limit=timedelta(seconds=draw(st.sampled_from([0, 5, 15]))),
        as_of=at(draw(st.integers(end, end + 40)) if draw(st.integers(0, 9)) else draw(st.integers(0, end))),
    )


@dataclass
class Second:
    state: State
    product: str | None
    stop: int | None = None  # number of the stop that it is part of


@dataclass
class Expected:
    busy: int
    producing: int
    micro: int
    ideal: Fraction
    good: int
    produced: int


def seconds_of(given: Inputs) -> dict[int, Second]:
    """What the line did each second up to as_of."""
    history: dict[int, Second] = {}
    for span in given.spans:
        for number in range(second(span.start), second(span.end or given.as_of)):
            history[number] = Second(span.state, span.product)
    return history


def micro_seconds(given: Inputs, history: dict[int, Second]) -> tuple[set[int], bool]:
    """Seconds that are part of a micro-stop; and whether it is too early to say so of the last stop."""
    limit, last = given.micro_stop_limit.total_seconds(), max(history, default=0)
    micro: set[int] = set()
    undecided = False
    stopped = sorted(number for number, now in history.items() if now.state is State.UNPLANNED_STOP)
    for _, group in groupby(enumerate(stopped), lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        lasts = given.spans[-1].end is None and run[-1] == last
        if len(run) < limit:
            if lasts:
                undecided |= any(run[0] < second(window.end) for window in given.windows)
            else:
                micro |= set(run)
    return micro, undecided


def expected(given: Inputs, product: str | None) -> Expected | None:
    history = seconds_of(given)
    micro, undecided = micro_seconds(given, history)
    worked = {n for window in given.windows for n in range(second(window.start), second(window.end))}
    refused = undecided or not given.windows or any(window.end > given.as_of for window in given.windows)
    refused |= any(n not in history or history[n].state in (State.UNKNOWN, State.NO_SHIFT) for n in worked)
    if refused:
        return None
    mine = {n for n in worked if history[n].state in BUSY and product in (None, history[n].product)}
    if product and any(history[n].state in BUSY and history[n].product is None for n in worked):
        return None
    shift_of = {n: index for index, w in enumerate(given.windows) for n in range(second(w.start), second(w.end))}
    counted: set[int] = set()
    good = produced = 0
    ideal = Fraction(0)
    for count in given.counts:
        touched = {shift_of.get(n) for n in range(second(count.time.start), second(count.time.end))}
        if touched == {None} or product not in (None, count.product):
            continue
        times = [
            one
            for one in given.cycle_times
            if one.product == count.product
            and (one.start or DAWN) <= count.time.start
            and (one.end is None or count.time.start < one.end)
        ]
        if len(touched) > 1 or not times:
            return None
        counted |= set(range(second(count.time.start), second(count.time.end)))
        units = count.good + count.scrap + count.rework
        good, produced = good + count.good, produced + units
        ideal += Fraction(times[0].seconds) * units
    running = {n for n in mine if history[n].state is State.RUNNING}
    producing = len(running | (mine & micro))
    if running - counted or not mine or (produced and not producing):
        return None
    return Expected(len(mine), producing, len(mine & micro), ideal, good, produced)


@given(inputs(), st.sampled_from([None, *PRODUCTS]))
def test_oee_is_what_counting_seconds_says(given: Inputs, product: str | None) -> None:
    figure, wanted = oee(given, product), expected(given, product)
    if wanted is None:
        assert isinstance(figure, Missing)
        assert all(absence.input and absence.detail for absence in figure.absences)
        return
    assert isinstance(figure, Oee), figure
    assert figure.planned_busy_time == timedelta(seconds=wanted.busy)
    assert figure.actual_production_time == timedelta(seconds=wanted.producing)
    assert figure.micro_stop_time == timedelta(seconds=wanted.micro)
    assert figure.availability == float(Fraction(wanted.producing, wanted.busy))
    effectiveness = wanted.ideal / wanted.producing if wanted.producing else None
    assert figure.effectiveness == (None if effectiveness is None else float(effectiveness))
    quality = Fraction(wanted.good, wanted.produced) if wanted.produced else None
    assert figure.quality_ratio == (None if quality is None else float(quality))
    whole = wanted.producing * (effectiveness or 0) * (quality or 0) / wanted.busy
    assert figure.oee == pytest.approx(float(whole), rel=1e-12)
    codes = {finding.code for finding in figure.findings}
    assert ("effectiveness-over-1" in codes) == (effectiveness is not None and effectiveness > 1)
    assert ("oee-over-1" in codes) == (figure.oee > 1)


@given(time_lines(), st.data())
def test_reclassified_seconds_change_and_no_others(spans: list[Span], data: st.DataObject) -> None:
    last = second(spans[-1].start) + 30
    start = data.draw(st.integers(0, last))
    window = between(start, start + data.draw(st.integers(1, 40)))
    state, product = data.draw(st.sampled_from(State)), data.draw(st.sampled_from((*PRODUCTS, None)))

    def history(line: list[Span]) -> dict[int, tuple[State, str | None, str | None]]:
        return {
            n: (span.state, span.reason, span.product)
            for span in line
            for n in range(second(span.start), second(span.end or at(last + 100)))
        }

    before = history(spans)
    if any(n not in before for n in range(second(window.start), second(window.end))):
        with pytest.raises(ValueError, match="no state is known"):
            reclassified(spans, window, state, "jam", product)
        return
    after = reclassified(spans, window, state, "jam", product)
    wanted = {
        n: (state, "jam", product or was[2]) if second(window.start) <= n < second(window.end) else was
        for n, was in before.items()
    }
    assert history(after) == wanted
    assert all(one.end == following.start for one, following in pairwise(after)), "no gap, no overlap"
    assert (after[0].start, after[-1].end) == (spans[0].start, spans[-1].end)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20))), st.integers(0, 40), st.integers(1, 40))
def test_uncovered_is_the_window_less_the_covers(covers: list[tuple[int, int]], start: int, length: int) -> None:
    gaps = uncovered(between(start, start + length), [between(begin, begin + size) for begin, size in covers])
    covered = {n for begin, size in covers for n in range(begin, begin + size)}
    found = [n for gap in gaps for n in range(second(gap.start), second(gap.end))]
    assert found == [n for n in range(start, start + length) if n not in covered]


def test_the_worked_example() -> None:
    """A shift of 8 h with 30 min of breaks, 60 min of breakdown; 1,500 units of 12 s ideally, 1,440 of them good."""
    day = [
        Span(at(0), at(3600 * 4), State.RUNNING, None, PRODUCTS[0]),
        Span(at(3600 * 4), at(3600 * 4 + 1800), State.PLANNED_STOP, "break"),
        Span(at(3600 * 4 + 1800), at(3600 * 5 + 1800), State.UNPLANNED_STOP, "breakdown", PRODUCTS[0]),
        Span(at(3600 * 5 + 1800), None, State.RUNNING, None, PRODUCTS[0]),
    ]
    figure = oee(
        Inputs(
            windows=[between(0, 3600 * 8)],
            spans=day,
            counts=[Count(between(0, 3600 * 8), PRODUCTS[0], 1440, 40, 20)],
            cycle_times=[CycleTime(PRODUCTS[0], None, None, Decimal(12))],
            micro_stop_limit=timedelta(),
            as_of=at(3600 * 9),
        )
    )
    assert isinstance(figure, Oee)
    assert figure.availability == 6.5 / 7.5  # APT 6.5 h of PBT 7.5 h
    assert figure.effectiveness == 5 / 6.5  # 1,500 × 12 s = 5 h
    assert figure.quality_ratio == 0.96
    assert figure.oee == pytest.approx(0.64)
    assert figure.findings == ()
