"""SQL of work orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, select, text, update
from sqlalchemy.dialects.postgresql import insert

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.lines.models import Line
from kojo_mes.orders.models import WorkOrder

MATERIAL = text("""
    SELECT kind, product_id, unit, quantity FROM mes.work_order_material
    WHERE work_order_id = :order ORDER BY kind, product_id, unit
""")
PRODUCT = text("SELECT FROM mes.product WHERE id = :product")
OPEN_LOTS = text("""
    SELECT id FROM mes.lot WHERE work_order_id = :order AND released_at IS NULL AND state <> 'scrapped'
    ORDER BY id LIMIT :limit
""")


async def line_exists(session: ReadSession, line: str) -> bool:
    query = select(Line.id).where(Line.id == line, Line.retired_at.is_(None))
    return (await session.execute(query)).first() is not None


async def product_exists(session: ReadSession, product: str) -> bool:
    return (await session.execute(PRODUCT, {"product": product})).first() is not None


async def add(session: WriteSession, values: Mapping[str, Any]) -> WorkOrder | None:
    """None when the number is taken."""
    statement = insert(WorkOrder).values(values).on_conflict_do_nothing(index_elements=["id"]).returning(WorkOrder)
    return (await session.execute(statement)).scalar_one_or_none()


async def find(session: ReadSession, order: str) -> WorkOrder | None:
    return (await session.execute(select(WorkOrder).where(WorkOrder.id == order))).scalar_one_or_none()


async def lock(session: WriteSession, order: str) -> WorkOrder | None:
    """For a change of the order: whoever books on it waits, and the other way round."""
    query = select(WorkOrder).where(WorkOrder.id == order).with_for_update(key_share=True)
    return (await session.execute(query)).scalar_one_or_none()


async def share(session: WriteSession, order: str) -> WorkOrder | None:
    """For a booking on the order: its state stays as it is until the booking's end."""
    query = select(WorkOrder).where(WorkOrder.id == order).with_for_update(read=True)
    return (await session.execute(query)).scalar_one_or_none()


async def change(session: WriteSession, order: str, values: Mapping[str, Any]) -> WorkOrder:
    statement = update(WorkOrder).where(WorkOrder.id == order).values(values).returning(WorkOrder)
    return (await session.execute(statement, execution_options={"populate_existing": True})).scalar_one()


async def page(
    session: ReadSession, state: str | None, line: str | None, after: str | None, limit: int
) -> Sequence[WorkOrder]:
    query = select(WorkOrder).order_by(WorkOrder.id).limit(limit)
    if state is not None:
        query = query.where(WorkOrder.state == state)
    if line is not None:
        query = query.where(WorkOrder.line_id == line)
    if after is not None:
        query = query.where(WorkOrder.id > after)
    return (await session.execute(query)).scalars().all()


async def material(session: ReadSession, order: str) -> Sequence[Row[tuple[str, str, str, Decimal]]]:
    """Sums of what was consumed, produced and scrapped, by product and unit."""
    return (await session.execute(MATERIAL, {"order": order})).all()


async def open_lots(session: ReadSession, order: str, limit: int) -> Sequence[str]:
    return (await session.execute(OPEN_LOTS, {"order": order, "limit": limit})).scalars().all()
