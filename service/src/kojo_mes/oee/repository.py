"""SQL of OEE: raw records in columns, stored figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text

from kojo_mes.kit.database import ReadSession, WriteSession

LONGEST_MICRO_STOP = timedelta(hours=1)  # mes.line.micro_stop_limit's own bound

SHIFTS = text("""
    SELECT id, starts_at, ends_at FROM mes.shift
    WHERE line_id = :line AND NOT cancelled AND starts_at < :end AND ends_at > :start
    ORDER BY starts_at
""")
SHIFT = text("SELECT id, line_id, starts_at, ends_at FROM mes.shift WHERE id = :id AND NOT cancelled")
RUNNING = text("""
    SELECT starts_at, ends_at,
           (SELECT max(to_time) FROM mes.production_count
            WHERE line_id = :line AND from_time >= shift.starts_at AND to_time <= now()) AS counted_to
    FROM mes.shift
    WHERE line_id = :line AND NOT cancelled AND starts_at <= now() AND ends_at > now()
""")
SPANS = text("""
    SELECT started_at, ended_at, state, reason, product_id FROM mes.line_state
    WHERE line_id = :line AND started_at < :end AND (ended_at IS NULL OR ended_at > :start)
    ORDER BY started_at
""")
COUNTS = text("""
    SELECT from_time, to_time, product_id, good, scrap, rework FROM mes.production_count
    WHERE line_id = :line AND from_time < :end AND from_time > :start - interval '24 hours' AND to_time > :start
    ORDER BY from_time, product_id
""")
CYCLE_TIMES = text("""
    SELECT product_id, valid_from, valid_to, seconds FROM mes.ideal_cycle_time WHERE line_id = :line
    ORDER BY product_id, valid_from NULLS FIRST
""")
MICRO_STOP_LIMIT = text("SELECT micro_stop_limit FROM mes.line WHERE id = :line")

# A changed state may make a stop of the neighbouring shift longer or shorter than a micro-stop.
OUTDATE = text("""
    UPDATE mes.oee_rollup SET stale = true
    FROM mes.shift
    WHERE shift.id = oee_rollup.shift_id AND NOT stale AND shift.line_id = :line
      AND shift.starts_at <= :end AND shift.ends_at >= :start
""")
STORED = text("SELECT * FROM mes.oee_rollup WHERE shift_id = ANY(:shifts)")
FORGET = text("DELETE FROM mes.oee_rollup WHERE shift_id = ANY(:shifts)")
STORE = text("""
    INSERT INTO mes.oee_rollup (shift_id, product_id, status, planned_busy_time, actual_production_time,
        ideal_production_time, good, scrap, rework, availability, effectiveness, quality_ratio, oee, micro_stop_limit,
        micro_stops, micro_stop_time, missing, findings)
    VALUES (:shift_id, :product_id, :status, :planned_busy_time, :actual_production_time,
        :ideal_production_time, :good, :scrap, :rework, :availability, :effectiveness, :quality_ratio, :oee,
        :micro_stop_limit, :micro_stops, :micro_stop_time, CAST(:missing AS jsonb), CAST(:findings AS jsonb))
""")
DUE = text("""
    SELECT shift.line_id AS line, shift.id, shift.starts_at, shift.ends_at, shift.cancelled
    FROM mes.shift
    LEFT JOIN mes.oee_rollup AS figure ON figure.shift_id = shift.id AND figure.product_id IS NULL
    WHERE (CAST(:line AS text) IS NULL OR shift.line_id = :line)
      AND shift.ends_at < now() - CAST(:grace AS interval) AND shift.ends_at > now() - CAST(:oldest AS interval)
      AND CASE WHEN shift.cancelled THEN figure.shift_id IS NOT NULL
               ELSE figure.shift_id IS NULL OR figure.stale END
    ORDER BY shift.line_id, shift.starts_at
""")
PAGE = text("""
    SELECT shift.id AS shift, shift.line_id AS line, shift.name, shift.day, shift.starts_at, shift.ends_at,
           figure.product_id AS product, figure.status,
           extract(epoch FROM figure.planned_busy_time) AS planned_busy_seconds,
           extract(epoch FROM figure.actual_production_time) AS actual_production_seconds,
           extract(epoch FROM figure.ideal_production_time) AS ideal_production_seconds,
           figure.good, figure.scrap, figure.rework, figure.availability, figure.effectiveness, figure.quality_ratio,
           figure.oee, figure.micro_stop_limit, figure.micro_stops,
           extract(epoch FROM figure.micro_stop_time) AS micro_stop_seconds,
           figure.missing, figure.findings, figure.stale, figure.computed_at
    FROM mes.oee_rollup AS figure JOIN mes.shift ON shift.id = figure.shift_id
    WHERE shift.line_id = :line AND shift.starts_at < :end AND shift.ends_at > :start
      AND (shift.starts_at, shift.id, coalesce(figure.product_id, ''))
          > (coalesce(CAST(:after_time AS timestamptz), '-infinity'), CAST(:after_shift AS text),
             CAST(:after_product AS text))
    ORDER BY shift.starts_at, shift.id, coalesce(figure.product_id, '')
    LIMIT :limit
""")


async def shifts(session: ReadSession, line_id: str, start: datetime, end: datetime) -> Sequence[Row[Any]]:
    return (await session.execute(SHIFTS, {"line": line_id, "start": start, "end": end})).all()


async def shift(session: ReadSession, shift_id: str) -> Row[Any] | None:
    return (await session.execute(SHIFT, {"id": shift_id})).one_or_none()


async def running(session: ReadSession, line_id: str) -> Row[Any] | None:
    """The line's shift of now, and up to when its production is counted."""
    return (await session.execute(RUNNING, {"line": line_id})).one_or_none()


async def spans(session: ReadSession, line_id: str, start: datetime, end: datetime) -> Sequence[Row[Any]]:
    margin = LONGEST_MICRO_STOP
    return (await session.execute(SPANS, {"line": line_id, "start": start - margin, "end": end + margin})).all()


async def counts(session: ReadSession, line_id: str, start: datetime, end: datetime) -> Sequence[Row[Any]]:
    return (await session.execute(COUNTS, {"line": line_id, "start": start, "end": end})).all()


async def cycle_times(session: ReadSession, line_id: str) -> Sequence[Row[Any]]:
    return (await session.execute(CYCLE_TIMES, {"line": line_id})).all()


async def micro_stop_limit(session: ReadSession, line_id: str) -> float:
    return float((await session.execute(MICRO_STOP_LIMIT, {"line": line_id})).scalar_one())


async def outdate(session: WriteSession, line_id: str, start: datetime, end: datetime) -> None:
    """Stored figures that the time has a part in are to be computed again."""
    margin = LONGEST_MICRO_STOP
    await session.execute(OUTDATE, {"line": line_id, "start": start - margin, "end": end + margin})


async def stored(session: ReadSession, shift_ids: list[str]) -> Sequence[Row[Any]]:
    return (await session.execute(STORED, {"shifts": shift_ids})).all()


async def replace(session: WriteSession, shift_ids: list[str], rows: Sequence[Mapping[str, Any]]) -> None:
    await session.execute(FORGET, {"shifts": shift_ids})
    if rows:
        await session.execute(STORE, list(rows))


async def due(
    session: ReadSession, grace: timedelta, oldest: timedelta, line_id: str | None = None
) -> Sequence[Row[Any]]:
    """Shifts that ended before `grace` and have no figure, or one that is stale or of a cancelled shift."""
    return (await session.execute(DUE, {"grace": grace, "oldest": oldest, "line": line_id})).all()


async def page(
    session: ReadSession,
    line_id: str,
    start: datetime,
    end: datetime,
    after: tuple[datetime, str, str] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    time, shift_id, product = after or (None, "", "")
    values = {
        "line": line_id,
        "start": start,
        "end": end,
        "after_time": time,
        "after_shift": shift_id,
        "after_product": product,
        "limit": limit,
    }
    return (await session.execute(PAGE, values)).all()
