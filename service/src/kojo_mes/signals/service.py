"""A line's states and counts, derived from its readings by rule. docs/shop-floor.md says by which.

Readings leave word of their time in their own transaction (mes.signal_change); what is derived is stored in the one
that takes the word away. So nothing is derived twice or forgotten, whichever host does it and whenever it dies.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from prometheus_client import Counter

from kojo_mes.kit.clock import now
from kojo_mes.kit.database import Database, WriteSession
from kojo_mes.kit.logging import get
from kojo_mes.kit.security import Actor
from kojo_mes.line_states.timeline import Interval
from kojo_mes.lines import repository as lines_repository
from kojo_mes.lines.models import Line
from kojo_mes.signals import repository
from kojo_mes.signals.calendar import states
from kojo_mes.signals.counting import count
from kojo_mes.signals.reading import row_of, statuses_of
from kojo_mes.signals.statuses import HOLD, Said, Signal, line_signals
from kojo_mes.signals.storing import store
from kojo_mes.signals.weaving import changes, contradiction, woven

log = get(__name__)
FAILURES = Counter("production_signals_failures_total", "Attempts to derive states and counts that failed")
INTERVAL = 5.0  # seconds
SETTLE = timedelta(seconds=3)  # that readings have to arrive in; later ones correct what was derived
LONGEST = timedelta(hours=1)  # of a transaction
BEFORE = timedelta(microseconds=1)
MACHINES = Actor("system", "line-signals", "Signals of the line", frozenset(), "")


@dataclass(frozen=True)
class Window:
    """A time to derive. `last`: nothing after it is derived yet."""

    time: Interval
    last: bool


@dataclass(frozen=True)
class Derived:
    window: Window
    heard: bool
    changed: bool


async def keep(database: Database) -> None:
    while True:
        try:
            await derive_due(database)
        except Exception as error:
            FAILURES.inc()
            log.warning("signals_failed", reason=str(error))
        await asyncio.sleep(INTERVAL)


async def derive_due(database: Database) -> None:
    """All that came or went by, line by line; a transaction for each hour of it at most."""
    for line_id in await database.read(repository.lines):
        while await _derive(database, line_id):
            pass


async def _derive(database: Database, line_id: str) -> bool:
    async def work(session: WriteSession) -> bool:
        return await _step(session, line_id)

    return await database.write(work, repeatable=True)


async def _step(session: WriteSession, line_id: str) -> bool:
    """One window of the line; whether there may be another."""
    if not await repository.alone(session, line_id):
        return False
    await lines_repository.lock(session, line_id)
    line = await lines_repository.line(session, line_id)
    if line is None:
        return False
    horizon = await now(session) - SETTLE
    reached = await repository.reached(session, line_id)
    # word is taken before readings are read: what it tells of is there
    word = await repository.take(session, line_id, min(reached or horizon, horizon), LONGEST)
    came = reached is not None and await repository.forget(session, line_id, reached)
    window = _window(word, reached, horizon)
    if window is None:
        return False
    derived = await _derive_states(session, line, window)
    end = derived.window.time.end
    if derived.window.last and (derived.heard or reached is not None):
        if derived.changed or word or came or end < horizon:
            await repository.reach(session, line_id, end)
        reached = end
    if reached is not None:
        await count(session, MACHINES, line, derived.window.time, reached)
    return not derived.window.last or end < horizon


def _window(word: Interval | None, reached: datetime | None, horizon: datetime) -> Window | None:
    """First what came late, then on from where it was derived up to."""
    start = word.start if word is not None else reached
    if start is None:
        return None
    if word is None or reached is None or word.end + HOLD >= reached:
        time, last = Interval(start, min(start + LONGEST, horizon)), True
    else:
        time, last = Interval(start, word.end + HOLD), False
    return Window(time, last) if time.start < time.end else None


async def _derive_states(session: WriteSession, line: Line, window: Window) -> Derived:
    stored = await repository.spans(session, line.id, window.time)
    if not stored and (beginning := await repository.beginning(session, line.id)) is not None:
        # of a time before all that is known: it has to lead there without a gap
        window = replace(window, time=Interval(window.time.start, beginning))
        stored = await repository.spans(session, line.id, window.time)
    rows = [row_of(state) for state in stored]
    time = window.time
    if rows and not rows[0].derived and rows[0].span.start > time.start:  # somebody's record begins the time line
        time = Interval(rows[0].span.start, max(time.end, rows[0].span.start))
    if time.start == time.end:
        return Derived(window, heard=False, changed=False)
    before = await repository.statuses(session, line.id, Interval(time.start - BEFORE - HOLD, time.end))
    said = line_signals(statuses_of(before), Interval(time.start - BEFORE, time.end))
    ends = None
    if rows and not rows[-1].derived and rows[-1].span.end is None:
        ends = contradiction(said, rows[-1], time.start)
    if ends is not None:  # what was derived after it has to follow
        window = replace(window, last=True)
    product = await repository.set_up(session, line.id, time.start) or line.product
    heard = [Said(part, one.signal) for one in said if (part := _part(one.time, time))]
    calendar = await repository.calendar(session, line.id, time)
    spans = states(heard, calendar, product)
    wanted = woven(rows, time, spans, ends, last=window.last)
    changed = await store(session, MACHINES, line.id, stored, changes(rows, wanted))
    return Derived(replace(window, time=time), any(one.signal is not Signal.UNKNOWN for one in heard), changed)


def _part(time: Interval, window: Interval) -> Interval | None:
    part = Interval(max(time.start, window.start), min(time.end, window.end))
    return part if part.start < part.end else None
