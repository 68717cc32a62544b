"""SQL of lots and their material."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, select, text, update
from sqlalchemy.dialects.postgresql import insert

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.traceability.models import Lot, MaterialMovement

BALANCE = text("""
    SELECT kind, sum(quantity) AS quantity FROM mes.material_movement WHERE lot_id = :lot GROUP BY kind
""")
HOLDS = text("SELECT id, reason FROM mes.holds_of(:lot) ORDER BY id")
PAST_HOLDS = text("SELECT id, reason FROM mes.past_holds_of(:lot, :time) ORDER BY id")
NONCONFORMANCES = text("SELECT id, state FROM mes.nonconformances_of(:lot) ORDER BY id")
CONTENT = text("""
    SELECT id, kind, lot_id, into_lot_id, quantity, unit, time, reason, recorded_by FROM mes.material_movement
    WHERE lot_id = :lot AND lot_version <= :version OR into_lot_id = :lot AND into_version <= :version
    ORDER BY id
""")


async def add(session: WriteSession, values: Mapping[str, Any]) -> Lot | None:
    """None when the number is taken."""
    statement = insert(Lot).values(values).on_conflict_do_nothing(index_elements=["id"]).returning(Lot)
    return (await session.execute(statement)).scalar_one_or_none()


async def find(session: ReadSession, lot: str) -> Lot | None:
    return (await session.execute(select(Lot).where(Lot.id == lot))).scalar_one_or_none()


async def lock(session: WriteSession, lots: Collection[str]) -> dict[str, Lot]:
    """In the order of their ids, as everybody does; those that there are."""
    query = select(Lot).where(Lot.id.in_(lots)).order_by(Lot.id).with_for_update(key_share=True)
    rows = (await session.execute(query, execution_options={"populate_existing": True})).scalars()
    return {row.id: row for row in rows}


async def change(session: WriteSession, lot: str, values: Mapping[str, Any]) -> Lot:
    statement = update(Lot).where(Lot.id == lot).values(values).returning(Lot)
    return (await session.execute(statement, execution_options={"populate_existing": True})).scalar_one()


async def move(session: WriteSession, values: Mapping[str, Any]) -> MaterialMovement:
    return (await session.execute(insert(MaterialMovement).values(values).returning(MaterialMovement))).scalar_one()


async def page(
    session: ReadSession, state: str | None, product: str | None, order: str | None, after: str | None, limit: int
) -> Sequence[Lot]:
    query = select(Lot).order_by(Lot.id).limit(limit)
    for column, wanted in ((Lot.state, state), (Lot.product_id, product), (Lot.work_order_id, order)):
        if wanted is not None:
            query = query.where(column == wanted)
    if after is not None:
        query = query.where(Lot.id > after)
    return (await session.execute(query)).scalars().all()


async def movements(session: ReadSession, lot: str, after: str | None, limit: int) -> Sequence[MaterialMovement]:
    """Out of the lot's material and into it; in the order in which they were booked."""
    both = (MaterialMovement.lot_id == lot) | (MaterialMovement.into_lot_id == lot)
    query = select(MaterialMovement).where(both).order_by(MaterialMovement.id).limit(limit)
    if after is not None:
        query = query.where(MaterialMovement.id > after)
    return (await session.execute(query)).scalars().all()


async def balance(session: ReadSession, lot: str) -> dict[str, Decimal]:
    """What was received, produced, consumed, shipped and scrapped of it."""
    return {row.kind: row.quantity for row in await session.execute(BALANCE, {"lot": lot})}


async def active_holds(session: ReadSession, lot: str) -> Sequence[Row[tuple[str, str]]]:
    """As `mes.is_held` (migration 0020) sees them."""
    return (await session.execute(HOLDS, {"lot": lot})).all()


async def past_holds(session: ReadSession, lot: str, time: datetime) -> Sequence[Row[tuple[str, str]]]:
    """Those that were active at that time and are not any more (migration 0022)."""
    return (await session.execute(PAST_HOLDS, {"lot": lot, "time": time})).all()


async def open_nonconformances(session: ReadSession, lot: str) -> Sequence[Row[tuple[str, str]]]:
    return (await session.execute(NONCONFORMANCES, {"lot": lot})).all()


async def content(session: ReadSession, lot: str, version: int) -> Sequence[Row[tuple[Any, ...]]]:
    """The movements that a version of the lot was made of."""
    return (await session.execute(CONTENT, {"lot": lot, "version": version})).all()
