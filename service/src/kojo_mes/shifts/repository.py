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
