"""SQL of the shift calendar."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, insert, select, text, tuple_

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.shifts.calendar import Days
from kojo_mes.shifts.models import Shift, ShiftClosure

OVERLAP = "shift_overlap"
CLOSE = text("""
    UPDATE mes.shift SET cancelled = true, exception = :reason, version = version + 1
    WHERE line_id = :line AND day BETWEEN :first AND :last AND NOT cancelled
    RETURNING id, starts_at, ends_at
""")
# A line's calendar speaks of the time from its first shift, pattern or closure to its last: beyond, nobody said.
CALENDARS = text("""
    SELECT line.id AS line, spoken.start, spoken.stop, spoken.start <= now() AND spoken.stop > now() AS known,
           EXISTS (SELECT FROM mes.shift WHERE line_id = line.id AND NOT cancelled
                                           AND starts_at <= now() AND ends_at > now()) AS working
    FROM mes.line CROSS JOIN mes.site CROSS JOIN LATERAL (
        SELECT min(start) AS start, max(stop) AS stop
        FROM (
            (SELECT starts_at AS start, ends_at AS stop FROM mes.shift WHERE line_id = line.id
             ORDER BY starts_at LIMIT 1)
            UNION ALL
            (SELECT starts_at, ends_at FROM mes.shift WHERE line_id = line.id ORDER BY starts_at DESC LIMIT 1)
            UNION ALL
            SELECT CAST(first_day AS timestamp) AT TIME ZONE site.timezone,
                   CAST(last_day + 1 AS timestamp) AT TIME ZONE site.timezone
            FROM (SELECT first_day, coalesce(last_day, planned_to) AS last_day FROM mes.shift_pattern
                  WHERE line_id = line.id
                  UNION ALL SELECT first_day, last_day FROM mes.shift_closure WHERE line_id = line.id) AS days
            WHERE last_day IS NOT NULL
        ) AS said
    ) AS spoken
    WHERE line.retired_at IS NULL AND (CAST(:line AS text) IS NULL OR line.id = :line)
""")


async def calendars(session: ReadSession, line_id: str | None = None) -> Sequence[Row[Any]]:
    """Of the lines in use: from when to when the calendar speaks, whether it does now, and whether a shift runs now."""
    return (await session.execute(CALENDARS, {"line": line_id})).all()


async def add(session: WriteSession, rows: Iterable[dict[str, Any]]) -> None:
    """IntegrityError of the constraint shift_overlap when one meets another."""
    await session.execute(insert(Shift), list(rows))


async def closures(session: ReadSession, line_id: str) -> list[Days]:
    query = select(ShiftClosure.first_day, ShiftClosure.last_day).where(ShiftClosure.line_id == line_id)
    return [Days(*row) for row in await session.execute(query)]


async def cancel_days(
    session: WriteSession, line_id: str, first: date, last: date, reason: str
) -> Sequence[Row[tuple[str, datetime, datetime]]]:
    values = {"line": line_id, "first": first, "last": last, "reason": reason}
    return (await session.execute(CLOSE, values)).all()


async def locked(session: WriteSession, shift_id: str) -> Shift | None:
    query = select(Shift).where(Shift.id == shift_id).with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(query)).one_or_none()


async def shift(session: ReadSession, shift_id: str) -> Shift | None:
    return (await session.scalars(select(Shift).where(Shift.id == shift_id))).one_or_none()


async def page(
    session: ReadSession, line_id: str, start: datetime, end: datetime, after: tuple[datetime, str] | None, limit: int
) -> Sequence[Shift]:
    """That touch the time from `start` up to before `end`, cancelled ones too, in order."""
    query = (
        select(Shift)
        .where(Shift.line_id == line_id, Shift.starts_at < end, Shift.ends_at > start)
        .order_by(Shift.starts_at, Shift.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(Shift.starts_at, Shift.id) > after)
    return (await session.scalars(query)).all()
