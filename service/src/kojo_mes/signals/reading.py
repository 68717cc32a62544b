"""From the repository's rows to what the rules are of. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Row as Stored

from kojo_mes.kit.sources import SIGNALS
from kojo_mes.line_states.timeline import Span, State
from kojo_mes.lines.plant import TOTALS, Measurement
from kojo_mes.signals.counters import Counter, of_increments, of_totals
from kojo_mes.signals.statuses import Readings
from kojo_mes.signals.weaving import Row

GOOD = {Measurement.GOOD_COUNT, Measurement.GOOD_TOTAL}


def statuses_of(rows: Iterable[Stored[Any]]) -> list[Readings]:
    """A sensor each; empty of one that is silent."""
    return [_readings(sensor) for _, sensor in groupby(rows, key=lambda row: row.sensor)]


def counters_of(rows: Iterable[Stored[Any]], ideal_cycle_time: float) -> list[Counter]:
    return [_counter(list(sensor), ideal_cycle_time) for _, sensor in groupby(rows, key=lambda row: row.sensor)]


def _counter(rows: Sequence[Stored[Any]], ideal_cycle_time: float) -> Counter:
    measurement, readings = Measurement(rows[0].measurement), _readings(rows)
    told = (
        of_totals(readings, rows[0].counter_limit, ideal_cycle_time)
        if measurement in TOTALS
        else of_increments(readings)
    )
    return Counter(measurement in GOOD, told)


def _readings(rows: Iterable[Stored[Any]]) -> Readings:
    return [(row.time, row.value) for row in rows if row.time is not None]


def row_of(state: Stored[Any]) -> Row:
    span = Span(state.started_at, state.ended_at, State(state.state), state.reason, state.product_id)
    return Row(span, state.source == SIGNALS, state.id)
