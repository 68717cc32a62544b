"""From the repository's rows to what the rules are of. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from sqlalchemy import Row as Stored

from kojo_mes.kit.sources import SIGNALS
from kojo_mes.line_states.timeline import Interval, Span, State
from kojo_mes.signals.statuses import Readings
from kojo_mes.signals.weaving import Row


def statuses_of(rows: Iterable[Stored[Any]]) -> list[Readings]:
    """A sensor each; empty of one that is silent."""
    return [
        [(row.time, row.value) for row in sensor if row.time is not None]
        for _, sensor in groupby(rows, key=lambda row: row.sensor)
    ]


def covered_of(rows: Iterable[Stored[Any]]) -> list[list[Interval]]:
    """A counter each; empty of one that is silent."""
    return [
        [Interval(row.start, row.stop) for row in counter if row.start is not None]
        for _, counter in groupby(rows, key=lambda row: row.sensor)
    ]


def row_of(state: Stored[Any]) -> Row:
    span = Span(state.started_at, state.ended_at, State(state.state), state.reason, state.product_id)
    return Row(span, state.source == SIGNALS, state.id)
