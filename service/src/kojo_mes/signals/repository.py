"""SQL of signals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.line_states.timeline import Interval
from kojo_mes.lines.models import Line
from kojo_mes.oee import repository as oee_repository
from kojo_mes.shifts import repository as shifts_repository
from kojo_mes.signals.calendar import Calendar
from kojo_mes.signals.counters import FASTEST
from kojo_mes.signals.statuses import HOLD

# those with something to do: what came, or time that went by
LINES = text("""
    SELECT line.id FROM mes.line
    WHERE line.retired_at IS NULL
      AND (EXISTS (SELECT FROM mes.line_signal WHERE line_id = line.id)
           OR EXISTS (SELECT FROM mes.signal_change WHERE line_id = line.id))
    ORDER BY line.position
""")
ALONE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('mes.signals ' || :line, 0))")
REACHED = text("SELECT reached FROM mes.line_signal WHERE line_id = :line")
REACH = text("""
    INSERT INTO mes.line_signal (line_id, reached) VALUES (:line, :moment)
    ON CONFLICT (line_id) DO UPDATE SET reached = excluded.reached
""")
# of what is past: the rest will be derived anyway
CHANGED = text("""
    INSERT INTO mes.signal_change (line_id, from_time, to_time)
    SELECT :line, :start, greatest(:start, least(:end, now()))
    WHERE CAST(:start AS timestamptz) < now()
""")
# What came of the time before :bound, from its first moment on for :longest; of what reaches beyond, the rest stays.
TAKE = text("""
    WITH first AS (
        SELECT min(from_time) AS start, least(min(from_time) + CAST(:longest AS interval), :bound) AS stop
        FROM mes.signal_change WHERE line_id = :line AND from_time < :bound
    ), done AS (
        DELETE FROM mes.signal_change AS change USING first
        WHERE change.line_id = :line AND change.to_time < first.stop
        RETURNING change.to_time
    ), rest AS (
        UPDATE mes.signal_change AS change SET from_time = first.stop FROM first
        WHERE change.line_id = :line AND change.from_time < first.stop AND change.to_time >= first.stop
        RETURNING first.stop
    )
    SELECT start, coalesce((SELECT max(stop) FROM rest), (SELECT max(to_time) FROM done)) AS stop FROM first
    WHERE start IS NOT NULL
""")
LAG = text("""
    SELECT line.id AS line,
           CAST(coalesce(extract(epoch FROM now() - min(came_at)), 0) AS double precision) AS seconds
    FROM mes.line LEFT JOIN mes.signal_change ON signal_change.line_id = line.id
    WHERE line.retired_at IS NULL
    GROUP BY line.id
""")
# what is not derived yet will be, whatever came of it
FORGET = text("DELETE FROM mes.signal_change WHERE line_id = :line AND from_time >= :reached RETURNING id")

# Of readings that say the same, the first and the last of each :hold: a gap of more than :hold stays one, and a machine
# that says how it is many times a second is a few rows.
STATUSES = text("""
    WITH told AS (
        SELECT sensor.id AS sensor, reading.time, reading.value, row_number() OVER near AS number,
               lag(reading.value) OVER near AS value_before, lead(reading.value) OVER near AS value_after,
               date_bin(:hold, lag(reading.time) OVER near, 'epoch') AS bin_before,
               date_bin(:hold, reading.time, 'epoch') AS bin,
               date_bin(:hold, lead(reading.time) OVER near, 'epoch') AS bin_after
        FROM mes.sensor JOIN mes.equipment ON equipment.id = sensor.equipment_id AND equipment.retired_at IS NULL
        LEFT JOIN mes.reading ON reading.sensor_id = sensor.id AND reading.time >= :start AND reading.time < :end
                             AND reading.quality <> 'bad'
        WHERE equipment.line_id = :line AND sensor.measurement = 'status'
        WINDOW near AS (PARTITION BY sensor.id ORDER BY reading.time)
    )
    SELECT sensor, time, value FROM told
    WHERE number = 1 OR value_before <> value OR value_after IS DISTINCT FROM value
          OR bin_before <> bin OR bin_after <> bin
    ORDER BY sensor, time
""")
# What each counter's reading tells: `units` made from `before` up to and including `time`, and whether it `knows`. Good
# units leave the line at its last station; rejected ones at any. A total that is lower than the one before has rolled
# over when the line can have made what that means, :fastest times its ideal pace; else it was set back, and what was
# made meanwhile isn't known, nor is what was made in more than :hold.
TOLD = """
    WITH counter AS (
        SELECT sensor.id AS sensor, sensor.measurement IN ('good_count', 'good_total') AS good,
               equipment.counter_limit AS highest
        FROM mes.sensor JOIN mes.equipment ON equipment.id = sensor.equipment_id AND equipment.retired_at IS NULL
        WHERE equipment.line_id = :line
          AND (sensor.measurement = CASE WHEN counter_limit IS NULL THEN 'reject_count' ELSE 'reject_total' END
               OR sensor.measurement = CASE WHEN counter_limit IS NULL THEN 'good_count' ELSE 'good_total' END
                  AND equipment.position = (SELECT max(last.position) FROM mes.equipment AS last
                                            WHERE last.line_id = :line AND last.retired_at IS NULL))
    ), step AS (
        SELECT sensor, good, highest, time, lag(time) OVER earlier AS before,
               trunc(CASE WHEN highest IS NULL THEN value ELSE value - lag(value) OVER earlier END) AS units
        FROM counter JOIN mes.reading ON sensor_id = sensor AND time >= :start AND time < :end AND quality <> 'bad'
        WINDOW earlier AS (PARTITION BY sensor ORDER BY time)
    ), made AS (
        SELECT sensor, good, highest, before, time, units < 0 AS rolled,
               CASE WHEN units < 0 THEN units + highest + 1 ELSE units END AS units
        FROM step
    ), told AS (
        SELECT sensor, good, before, time, units,
               coalesce(time - before <= :hold AND units >= 0 AND (
                   NOT rolled OR units <= :fastest * extract(epoch FROM time - before) / :ideal_cycle_time + 1
               ), false) AS knows
        FROM made
    )
"""
COVERED = text(f"""
    {TOLD}, island AS (
        SELECT sensor, before, time, knows,
               count(*) FILTER (WHERE NOT knows) OVER (PARTITION BY sensor ORDER BY time) AS number
        FROM told
    )
    SELECT counter.sensor, min(before) AS start, max(time) AS stop
    FROM counter LEFT JOIN island ON island.sensor = counter.sensor AND knows
    GROUP BY counter.sensor, number
    ORDER BY counter.sensor, start
""")  # noqa: S608 - constants only
# a unit belongs to the time at which it was told, and a time's first moment to the time before it
UNITS = text(f"""
    {TOLD}, part AS (
        SELECT good, time, units,
               width_bucket(time - interval '1 microsecond', CAST(:starts AS timestamptz[])) AS number
        FROM told WHERE knows
    )
    SELECT number, CAST(coalesce(sum(units) FILTER (WHERE good), 0) AS bigint) AS good,
           CAST(coalesce(sum(units) FILTER (WHERE NOT good), 0) AS bigint) AS scrap
    FROM part WHERE time <= (CAST(:ends AS timestamptz[]))[number]
    GROUP BY number
""")  # noqa: S608 - constants only

SPANS = text("""
    SELECT id, started_at, ended_at, state, reason, product_id, previous_ended_at, source
    FROM mes.line_state
    WHERE line_id = :line AND started_at <= :end AND (ended_at IS NULL OR ended_at >= :start)
    ORDER BY started_at
""")
BEGINNING = text("SELECT min(started_at) FROM mes.line_state WHERE line_id = :line")
# the product that somebody set up last, as far as it is on record
SET_UP = text("""
    SELECT product_id FROM mes.line_state
    WHERE line_id = :line AND source = 'record' AND product_id IS NOT NULL AND started_at < :moment
    ORDER BY started_at DESC LIMIT 1
""")
REMOVE_STATES = text("DELETE FROM mes.line_state WHERE id = ANY(:ids)")
ADD_STATE = text("""
    INSERT INTO mes.line_state (id, line_id, state, reason, product_id, started_at, ended_at, previous_ended_at,
                                recorded_by, source)
    VALUES (:id, :line, :state, :reason, :product, :start, :end, :previous, :by, 'signals')
""")
EXPLAIN = text("""
    INSERT INTO mes.line_state_reclassification (id, line_id, from_time, to_time, explanation, reclassified_by)
    VALUES (:id, :line, :start, :end, :explanation, :by)
""")

COUNTS = text("""
    SELECT id, product_id, from_time, to_time, good, scrap, rework, source, version FROM mes.production_count
    WHERE line_id = :line AND from_time < :end AND from_time > :start - interval '24 hours' AND to_time > :start
    ORDER BY from_time, product_id
""")
REMOVE_COUNTS = text("DELETE FROM mes.production_count WHERE id = ANY(:ids)")
COUNT_AGAIN = text("""
    UPDATE mes.production_count SET good = :good, scrap = :scrap, version = version + 1 WHERE id = :id
""")
ADD_COUNT = text("""
    INSERT INTO mes.production_count (id, line_id, product_id, from_time, to_time, good, scrap, rework, recorded_by,
                                      source)
    VALUES (:id, :line, :product, :start, :end, :good, :scrap, 0, :by, 'signals')
""")


async def lines(session: ReadSession) -> list[str]:
    return list(await session.scalars(LINES))


async def alone(session: WriteSession, line_id: str) -> bool:
    """Until the transaction's end; false while another host derives the line."""
    return bool((await session.execute(ALONE, {"line": line_id})).scalar_one())


async def lag(session: ReadSession) -> dict[str, float]:
    """By line, for how many seconds the oldest of what isn't derived waits; 0 when none does."""
    return {row.line: row.seconds for row in await session.execute(LAG)}


async def reached(session: ReadSession, line_id: str) -> datetime | None:
    moment: datetime | None = (await session.execute(REACHED, {"line": line_id})).scalar_one_or_none()
    return moment


async def reach(session: WriteSession, line_id: str, moment: datetime) -> None:
    await session.execute(REACH, {"line": line_id, "moment": moment})


async def changed(session: WriteSession, line_id: str, start: datetime, end: datetime) -> None:
    """What is derived of the time is to be derived again."""
    await session.execute(CHANGED, {"line": line_id, "start": start, "end": end})


async def take(session: WriteSession, line_id: str, bound: datetime, longest: timedelta) -> Interval | None:
    """The earliest time before `bound` of which something came, both ends included. It counts as done with the
    transaction."""
    row = (await session.execute(TAKE, {"line": line_id, "bound": bound, "longest": longest})).one_or_none()
    return None if row is None else Interval(row.start, row.stop)


async def forget(session: WriteSession, line_id: str, reached: datetime) -> bool:
    """Whether anything came of the time from `reached` on."""
    return bool((await session.execute(FORGET, {"line": line_id, "reached": reached})).all())


async def statuses(session: ReadSession, line_id: str, window: Interval) -> Sequence[Row[Any]]:
    """By sensor and time, without what only repeats; a row without a time of a sensor that is silent."""
    given = {"line": line_id, "start": window.start, "end": window.end, "hold": HOLD}
    return (await session.execute(STATUSES, given)).all()


async def covered(session: ReadSession, line: Line, window: Interval) -> Sequence[Row[Any]]:
    """By counter of the line, the times of which its readings tell; a row without a time of one that is silent."""
    return (await session.execute(COVERED, _counters(line, window))).all()


async def units(
    session: ReadSession, line: Line, window: Interval, times: Sequence[Interval]
) -> dict[int, tuple[int, int]]:
    """Good and rejected units by the number of the time they were made in. `times` are in order and apart."""
    bounds = {"starts": [time.start for time in times], "ends": [time.end for time in times]}
    rows = await session.execute(UNITS, _counters(line, window) | bounds)
    return {row.number - 1: (row.good, row.scrap) for row in rows}


def _counters(line: Line, window: Interval) -> dict[str, Any]:
    """What TOLD is given: readings from HOLD before the window until HOLD after it."""
    return {
        "line": line.id,
        "start": window.start - HOLD,
        "end": window.end + HOLD,
        "hold": HOLD,
        "fastest": FASTEST,
        "ideal_cycle_time": line.ideal_cycle_time,
    }


async def spans(session: ReadSession, line_id: str, window: Interval) -> Sequence[Row[Any]]:
    """The states that touch the time or its ends, in order."""
    return (await session.execute(SPANS, {"line": line_id, "start": window.start, "end": window.end})).all()


async def beginning(session: ReadSession, line_id: str) -> datetime | None:
    moment: datetime | None = (await session.execute(BEGINNING, {"line": line_id})).scalar_one()
    return moment


async def set_up(session: ReadSession, line_id: str, moment: datetime) -> str | None:
    product: str | None = (await session.execute(SET_UP, {"line": line_id, "moment": moment})).scalar_one_or_none()
    return product


async def explain(session: WriteSession, values: dict[str, Any]) -> None:
    await session.execute(EXPLAIN, values)


async def remove_states(session: WriteSession, ids: Iterable[str]) -> None:
    await session.execute(REMOVE_STATES, {"ids": list(ids)})


async def add_states(session: WriteSession, rows: list[dict[str, Any]]) -> None:
    if rows:
        await session.execute(ADD_STATE, rows)


async def counts(session: ReadSession, line_id: str, window: Interval) -> Sequence[Row[Any]]:
    """That touch the time."""
    return (await session.execute(COUNTS, {"line": line_id, "start": window.start, "end": window.end})).all()


async def remove_counts(session: WriteSession, ids: Iterable[str]) -> None:
    await session.execute(REMOVE_COUNTS, {"ids": list(ids)})


async def count_again(session: WriteSession, rows: list[dict[str, Any]]) -> None:
    if rows:
        await session.execute(COUNT_AGAIN, rows)


async def add_counts(session: WriteSession, rows: list[dict[str, Any]]) -> None:
    if rows:
        await session.execute(ADD_COUNT, rows)


async def calendar(session: ReadSession, line_id: str, time: Interval) -> Calendar:
    shifts = await oee_repository.shifts(session, line_id, time.start, time.end)
    (spoken,) = await shifts_repository.calendars(session, line_id)
    return Calendar(
        [Interval(shift.starts_at, shift.ends_at) for shift in shifts],
        Interval(spoken.start, spoken.stop) if spoken.start is not None else None,
    )
