"""SQL of production counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, tuple_

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.production.models import ProductionCount


async def add(session: WriteSession, rows: list[dict[str, Any]]) -> None:
    await session.execute(insert(ProductionCount), rows)


async def touching(session: ReadSession, line_id: str, start: datetime, end: datetime) -> Sequence[ProductionCount]:
    """In the order of their beginning."""
    query = (
        select(ProductionCount)
        .where(ProductionCount.line_id == line_id, ProductionCount.from_time < end, ProductionCount.to_time > start)
        .order_by(ProductionCount.from_time, ProductionCount.product_id)
    )
    return (await session.scalars(query)).all()


async def page(
    session: ReadSession, line_id: str, start: datetime, end: datetime, after: tuple[datetime, str] | None, limit: int
) -> Sequence[ProductionCount]:
    query = (
        select(ProductionCount)
        .where(ProductionCount.line_id == line_id, ProductionCount.from_time < end, ProductionCount.to_time > start)
        .order_by(ProductionCount.from_time, ProductionCount.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(ProductionCount.from_time, ProductionCount.id) > after)
    return (await session.scalars(query)).all()


async def locked(session: WriteSession, line_id: str, count_id: str) -> ProductionCount | None:
    query = (
        select(ProductionCount)
        .where(ProductionCount.id == count_id, ProductionCount.line_id == line_id)
        .with_for_update()
    )
    return (await session.scalars(query)).one_or_none()


async def count(session: ReadSession, line_id: str, count_id: str) -> ProductionCount | None:
    query = select(ProductionCount).where(ProductionCount.id == count_id, ProductionCount.line_id == line_id)
    return (await session.scalars(query)).one_or_none()
