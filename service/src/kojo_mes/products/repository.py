"""SQL of products and ideal cycle times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select, text, tuple_

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.lines.plant import Change, Plant
from kojo_mes.products.models import IdealCycleTime, Product

EVER = datetime(1970, 1, 1, tzinfo=UTC)  # the begin of what has none: no time that is asked for is earlier
ADD_PRODUCT = text("""
    INSERT INTO mes.product (id, name) VALUES (:id, jsonb_build_object('en', CAST(:id AS text)))
    ON CONFLICT DO NOTHING RETURNING id, name, version
""")
PAGE_TIME = text("""
    SELECT seconds FROM mes.ideal_cycle_time
    WHERE line_id = :line AND product_id = :product AND source = 'plant page'
    ORDER BY valid_from DESC NULLS LAST LIMIT 1
""")
END_PRESENT = text("""
    UPDATE mes.ideal_cycle_time SET valid_to = now()
    WHERE line_id = :line AND product_id = :product AND valid_to IS NULL
    RETURNING id, valid_to
""")
# the first of line and product holds for all that was made before anybody wrote it down
ADD_PAGE_TIME = text("""
    INSERT INTO mes.ideal_cycle_time (id, line_id, product_id, seconds, valid_from, source, reason)
    VALUES (:id, :line, :product, :seconds, CASE WHEN :later THEN now() END, 'plant page', 'the plant''s page')
    RETURNING id, line_id, product_id, seconds, valid_from, valid_to, source, reason
""")


async def products(session: ReadSession, after: str | None, limit: int) -> Sequence[Product]:
    query = select(Product).order_by(Product.id).limit(limit)
    return (await session.scalars(query if after is None else query.where(Product.id > after))).all()


async def product(session: ReadSession, product_id: str) -> Product | None:
    return (await session.scalars(select(Product).where(Product.id == product_id))).one_or_none()


async def locked(session: WriteSession, product_id: str) -> Product | None:
    query = select(Product).where(Product.id == product_id).with_for_update()
    return (await session.scalars(query)).one_or_none()


async def existing(session: ReadSession, ids: set[str]) -> set[str]:
    return set(await session.scalars(select(Product.id).where(Product.id.in_(ids))))


async def cycle_times(
    session: ReadSession, line_id: str, product_id: str | None, after: tuple[str, datetime, str] | None, limit: int
) -> Sequence[IdealCycleTime]:
    """By product and time; `after`: of the last one seen, product, begin (EVER) and id."""
    begin = func.coalesce(IdealCycleTime.valid_from, EVER)
    keys = tuple_(IdealCycleTime.product_id, begin, IdealCycleTime.id)
    query = select(IdealCycleTime).where(IdealCycleTime.line_id == line_id).order_by(*keys).limit(limit)
    if product_id is not None:
        query = query.where(IdealCycleTime.product_id == product_id)
    return (await session.scalars(query if after is None else query.where(keys > after))).all()


async def in_force_since(
    session: WriteSession, line_id: str, product_id: str, moment: datetime
) -> Sequence[IdealCycleTime]:
    """The times that are in force at the moment or come later."""
    query = (
        select(IdealCycleTime)
        .where(IdealCycleTime.line_id == line_id, IdealCycleTime.product_id == product_id)
        .where(or_(IdealCycleTime.valid_to.is_(None), IdealCycleTime.valid_to > moment))
        .order_by(IdealCycleTime.valid_from.nulls_first())
    )
    return (await session.scalars(query)).all()


def synchronise(connection: Connection, plant: Plant) -> list[Change]:
    """Products and cycle times of the plant's page: what was new. A time that changed on the page is in force from now
    on; one that a person set since stays until then."""
    changes = []
    for line in plant.lines:
        ids = {"line": line.id, "product": line.product}
        changes += _new(Product.__tablename__, connection.execute(ADD_PRODUCT, {"id": line.product}))
        before = connection.execute(PAGE_TIME, ids).scalar_one_or_none()
        seconds = Decimal(repr(line.ideal_cycle_time)).quantize(Decimal("1e-6"))
        if before == seconds:
            continue
        ended = connection.execute(END_PRESENT, ids).all()
        changes += [
            Change(IdealCycleTime.__tablename__, row.id, {"valid_to": None}, {"valid_to": row.valid_to})
            for row in ended
        ]
        later = bool(ended) or before is not None
        values = {**ids, "id": new_id(), "seconds": seconds, "later": later}
        changes += _new(IdealCycleTime.__tablename__, connection.execute(ADD_PAGE_TIME, values))
    return changes


def _new(record: str, rows: Iterable[Row[Any]]) -> list[Change]:
    return [Change(record, row.id, None, dict(row._mapping)) for row in rows]
