"""SQL of line states."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import delete, insert, or_, select, text, tuple_

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.line_states.models import LineState, Reclassification, StateReason, SupersededState

Spanned = TypeVar("Spanned", LineState, SupersededState)
END = text("UPDATE mes.line_state SET ended_at = :moment WHERE id = :id")


async def reasons(session: ReadSession, after: tuple[str, str] | None, limit: int) -> Sequence[StateReason]:
    keys = tuple_(StateReason.state, StateReason.code)
    query = select(StateReason).order_by(*keys).limit(limit)
    return (await session.scalars(query if after is None else query.where(keys > after))).all()


async def reason(session: ReadSession, state: str, code: str) -> StateReason | None:
    return await session.get(StateReason, (state, code))


async def present(session: ReadSession, line_id: str) -> LineState | None:
    query = select(LineState).where(LineState.line_id == line_id, LineState.ended_at.is_(None))
    return (await session.scalars(query)).one_or_none()


async def end(session: WriteSession, state_id: str, moment: datetime) -> None:
    await session.execute(END, {"id": state_id, "moment": moment})


async def touching(session: ReadSession, line_id: str, start: datetime, end: datetime) -> Sequence[LineState]:
    """The states of the time from `start` up to before `end`, whole, in order."""
    query = (
        select(LineState)
        .where(LineState.line_id == line_id, LineState.started_at < end)
        .where(or_(LineState.ended_at.is_(None), LineState.ended_at > start))
        .order_by(LineState.started_at)
    )
    return (await session.scalars(query)).all()


async def page(
    session: ReadSession,
    model: type[Spanned],
    line_id: str,
    start: datetime,
    end: datetime,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Sequence[Spanned]:
    query = (
        select(model)
        .where(model.line_id == line_id, model.started_at < end)
        .where(or_(model.ended_at.is_(None), model.ended_at > start))
        .order_by(model.started_at, model.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(model.started_at, model.id) > after)
    return (await session.scalars(query)).all()


async def reclassifications(
    session: ReadSession, line_id: str, after: str | None, limit: int
) -> Sequence[Reclassification]:
    query = (
        select(Reclassification).where(Reclassification.line_id == line_id).order_by(Reclassification.id).limit(limit)
    )
    return (await session.scalars(query if after is None else query.where(Reclassification.id > after))).all()


async def replace(session: WriteSession, old: Iterable[str], new: Sequence[dict[str, Any]]) -> Sequence[LineState]:
    """The database keeps the old ones, and holds the chain together at COMMIT."""
    await session.execute(
        delete(LineState).where(LineState.id.in_(list(old))).execution_options(synchronize_session=False)
    )
    rows = await session.scalars(insert(LineState).returning(LineState, sort_by_parameter_order=True), list(new))
    return rows.all()
