"""From the statuses of a line's equipment to what the line does. Pure: no clock, no database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from kojo_mes.line_states.timeline import Interval
from kojo_mes.lines.service import FRESH, running

HOLD = FRESH  # a status says how it is for so long; afterwards nobody knows
Readings = Sequence[tuple[datetime, float]]  # of one sensor, in the order of time


class Signal(StrEnum):
    RUNNING = "running"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


class Said(NamedTuple):
    time: Interval
    signal: Signal


def line_signals(statuses: Sequence[Readings], window: Interval) -> list[Said]:
    """What the line does in the window, neighbours merged. `statuses` are of all its equipment, from HOLD before the
    window on. It runs when all of it runs, and is stopped when one piece is; else it isn't known (lines/service.py)."""
    steps = sorted(
        (
            (moment, number, value)
            for number, readings in enumerate(statuses)
            for moment, value in _steps(readings, window)
        ),
        key=lambda step: step[:2],
    )
    present: list[float | None] = [None] * len(statuses)
    said: list[Said] = []
    for (moment, number, value), following in pairwise([*steps, (window.end, -1, None)]):
        present[number] = value
        if following[0] > moment:
            _append(said, Interval(moment, following[0]), _signal(present))
    return said


def _steps(readings: Readings, window: Interval) -> list[tuple[datetime, float | None]]:
    """A sensor's value from a time on: at the window's start, and wherever it changes."""
    steps: list[tuple[datetime, float | None]] = [(window.start, None)]
    until = window.start
    for moment, value in readings:
        if moment >= window.end:
            break
        if moment + HOLD <= window.start:
            continue
        if moment > until and steps[-1][1] is not None:
            steps.append((until, None))
        if moment <= window.start:
            steps = [(window.start, value)]
        elif steps[-1][1] != value:
            steps.append((moment, value))
        until = moment + HOLD
    if until < window.end and steps[-1][1] is not None:
        steps.append((until, None))
    return steps


def _signal(statuses: list[float | None]) -> Signal:
    runs = running(statuses)
    return Signal.UNKNOWN if runs is None else Signal.RUNNING if runs else Signal.STOPPED


def _append(said: list[Said], time: Interval, signal: Signal) -> None:
    if said and said[-1].signal is signal:
        said[-1] = Said(Interval(said[-1].time.start, time.end), signal)
    else:
        said.append(Said(time, signal))
