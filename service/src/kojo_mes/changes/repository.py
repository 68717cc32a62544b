"""SQL of change requests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, select, text, tuple_

from kojo_mes.changes.models import ChangeRequest, ChangeRevision
from kojo_mes.kit.database import ReadSession, WriteSession

PRESENT = select(ChangeRequest, ChangeRevision).join(
    ChangeRevision,
    tuple_(ChangeRevision.change_id, ChangeRevision.revision) == tuple_(ChangeRequest.id, ChangeRequest.revision),
)
LAPSED = text("""
    SELECT change_request.id
    FROM mes.change_request
    JOIN mes.change_revision ON change_id = change_request.id AND change_revision.revision = change_request.revision
    WHERE state IN ('submitted', 'approved') AND greatest(window_end, break_glass_until) <= :now
       OR state = 'draft' AND break_glass_until <= :now
    ORDER BY change_request.id
    FOR UPDATE OF change_request SKIP LOCKED
    LIMIT 100
""")
UNREVIEWED = text("""
    SELECT count(*) AS all, count(*) FILTER (WHERE review_due_at <= clock_timestamp()) AS overdue
    FROM mes.change_request WHERE break_glass_by IS NOT NULL AND reviewed_by IS NULL
""")


async def present(
    session: ReadSession, change_id: str, *, lock: bool
) -> Row[tuple[ChangeRequest, ChangeRevision]] | None:
    query = PRESENT.where(ChangeRequest.id == change_id)
    if lock:
        # the lock first: the revision is that of the row as it is once nobody else changes it
        await session.execute(select(ChangeRequest.id).where(ChangeRequest.id == change_id).with_for_update())
    return (await session.execute(query)).one_or_none()


async def page(
    session: ReadSession, state: str | None, plant: str | None, after: str | None, limit: int
) -> Sequence[Row[tuple[ChangeRequest, ChangeRevision]]]:
    query = PRESENT.order_by(ChangeRequest.id).limit(limit)
    if state is not None:
        query = query.where(ChangeRequest.state == state)
    if plant is not None:
        query = query.where(ChangeRevision.plant == plant)
    if after is not None:
        query = query.where(ChangeRequest.id > after)
    return (await session.execute(query)).all()


async def revisions(session: ReadSession, change_id: str) -> Sequence[ChangeRevision]:
    query = select(ChangeRevision).where(ChangeRevision.change_id == change_id).order_by(ChangeRevision.revision)
    return (await session.scalars(query)).all()


async def revision(session: ReadSession, change_id: str, number: int) -> ChangeRevision | None:
    return await session.get(ChangeRevision, (change_id, number))


async def request(session: ReadSession, change_id: str) -> ChangeRequest | None:
    return await session.get(ChangeRequest, change_id)


async def add(session: WriteSession, row: ChangeRequest, content: ChangeRevision) -> None:
    session.add(row)
    await session.flush()
    session.add(content)
    await session.flush()


async def lapsed(session: WriteSession, now: datetime) -> Sequence[str]:
    """Locked; those that another process is at work on are left to it."""
    return (await session.scalars(LAPSED, {"now": now})).all()


async def unreviewed(session: ReadSession) -> tuple[int, int]:
    """Acts of break-glass that wait for their review; of them, those that are overdue."""
    row = (await session.execute(UNREVIEWED)).one()
    return int(row.all), int(row.overdue)
