"""SQL of series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from kojo_mes.kit.database import ReadSession
from kojo_mes.line_states.timeline import Interval

DOWNSAMPLED = text("""
    SELECT date_bin(make_interval(secs => :seconds), time, CAST(:start AS timestamptz)) AS time,
           count(*) FILTER (WHERE quality <> 'bad') AS count,
           count(*) FILTER (WHERE quality = 'bad') AS bad,
           avg(value) FILTER (WHERE quality <> 'bad') AS mean,
           min(value) FILTER (WHERE quality <> 'bad') AS minimum,
           max(value) FILTER (WHERE quality <> 'bad') AS maximum,
           sum(value) FILTER (WHERE quality <> 'bad') AS total
    FROM mes.reading
    WHERE sensor_id = :sensor AND time >= :start AND time < :end
    GROUP BY 1 ORDER BY 1
""")
COMPLETENESS = text("""
    SELECT sensor.name AS sensor, filled.minutes
    FROM mes.sensor
    JOIN mes.equipment ON equipment.id = sensor.equipment_id AND equipment.retired_at IS NULL
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT date_bin('1 minute', time, CAST(:start AS timestamptz))) AS minutes
        FROM mes.reading
        WHERE sensor_id = sensor.id AND time >= :start AND time < :end AND quality <> 'bad'
    ) AS filled
    WHERE equipment.line_id = :line
    ORDER BY equipment.position, sensor.id
""")
# A reading tells of the time since the one before it, a bad one included: what a bad one told nobody tells again.
METERS = text("""
    SELECT sensor.name AS sensor, used.kwh, coalesce(used.gaps, '{}') AS gaps
    FROM mes.sensor
    JOIN mes.equipment ON equipment.id = sensor.equipment_id AND equipment.retired_at IS NULL
    CROSS JOIN LATERAL (
        SELECT sum(value) FILTER (WHERE time > :start AND time <= :end) AS kwh,
               range_agg(tstzrange(before, time)) FILTER (WHERE bad OR time > before + :longest)
                   * tstzmultirange(tstzrange(:start, :end)) AS gaps
        FROM (
            SELECT time, value, bad, lag(time, 1, '-infinity') OVER (ORDER BY time) AS before
            FROM (
                SELECT time, value, quality = 'bad' AS bad FROM mes.reading
                WHERE sensor_id = sensor.id
                  AND time >= CAST(:start AS timestamptz) - :longest AND time <= CAST(:end AS timestamptz) + :longest
                UNION ALL SELECT 'infinity', 0, false
            ) AS reading
        ) AS told
    ) AS used
    WHERE equipment.line_id = :line AND sensor.measurement = 'energy'
    ORDER BY sensor.id
""")
GOOD = text("""
    SELECT from_time, to_time, good, from_time >= :start AND to_time <= :end AS whole FROM mes.production_count
    WHERE line_id = :line AND from_time < :end AND to_time > :start
    ORDER BY from_time
""")


@dataclass(frozen=True)
class Meter:
    """`kwh`: what it told after the beginning of the time and up to its end, None: nothing. `gaps`: of what part of the
    time it told nothing good."""

    sensor: str
    kwh: float | None
    gaps: list[Interval]


async def downsampled(
    session: ReadSession, sensor_id: int, start: datetime, end: datetime, seconds: int
) -> Sequence[Row[Any]]:
    values = {"sensor": sensor_id, "start": start, "end": end, "seconds": seconds}
    return (await session.execute(DOWNSAMPLED, values)).all()


async def completeness(session: ReadSession, line_id: str, start: datetime, end: datetime) -> Sequence[Row[Any]]:
    """Minutes from `start` on that each of the line's sensors sent in."""
    return (await session.execute(COMPLETENESS, {"line": line_id, "start": start, "end": end})).all()


async def meters(session: ReadSession, line_id: str, start: datetime, end: datetime, longest: timedelta) -> list[Meter]:
    """`longest`: that a reading tells of; after a longer silence nobody knows."""
    values = {"line": line_id, "start": start, "end": end, "longest": longest}
    return [
        Meter(row.sensor, row.kwh, [Interval(gap.lower, gap.upper) for gap in row.gaps])
        for row in await session.execute(METERS, values)
    ]


async def good(session: ReadSession, line_id: str, start: datetime, end: datetime) -> Sequence[Row[Any]]:
    """Counts that touch the time, and whether they lie in it wholly."""
    return (await session.execute(GOOD, {"line": line_id, "start": start, "end": end})).all()
