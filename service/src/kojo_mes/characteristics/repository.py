"""SQL of characteristics and specifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from kojo_mes.characteristics.models import Characteristic, Specification
from kojo_mes.kit.database import ReadSession, WriteSession

PRODUCT = text("SELECT FROM mes.product WHERE id = :product")


async def product_exists(session: ReadSession, product: str) -> bool:
    return (await session.execute(PRODUCT, {"product": product})).first() is not None


async def add(session: WriteSession, values: Mapping[str, Any]) -> Characteristic | None:
    """None when the id is taken."""
    statement = (
        insert(Characteristic).values(values).on_conflict_do_nothing(index_elements=["id"]).returning(Characteristic)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def find(session: ReadSession, characteristic: str) -> Characteristic | None:
    return await session.get(Characteristic, characteristic)


async def lock(session: WriteSession, characteristic: str) -> Characteristic | None:
    """Checks, specifications, charts and limits of a characteristic are written one after the other."""
    query = select(Characteristic).where(Characteristic.id == characteristic).with_for_update(key_share=True)
    return (await session.execute(query)).scalar_one_or_none()


async def retire(session: WriteSession, characteristic: str) -> Characteristic:
    statement = (
        update(Characteristic)
        .where(Characteristic.id == characteristic)
        .values(retired_at=func.now(), version=Characteristic.version + 1)
        .returning(Characteristic)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(statement)).scalar_one()


async def page(session: ReadSession, product: str | None, after: str | None, limit: int) -> Sequence[Characteristic]:
    query = select(Characteristic).order_by(Characteristic.id).limit(limit)
    if product is not None:
        query = query.where(Characteristic.product_id == product)
    if after is not None:
        query = query.where(Characteristic.id > after)
    return (await session.execute(query)).scalars().all()


async def latest_version(session: ReadSession, characteristic: str) -> int:
    query = select(func.coalesce(func.max(Specification.version), 0))
    return int((await session.execute(query.where(Specification.characteristic_id == characteristic))).scalar_one())


async def add_specification(session: WriteSession, values: Mapping[str, Any]) -> Specification:
    return (await session.execute(insert(Specification).values(values).returning(Specification))).scalar_one()


async def specification(session: ReadSession, characteristic: str, version: int) -> Specification | None:
    return await session.get(Specification, (characteristic, version))


async def specifications(
    session: ReadSession, characteristic: str, after: int | None, limit: int
) -> Sequence[Specification]:
    query = (
        select(Specification)
        .where(Specification.characteristic_id == characteristic, Specification.version > (after or 0))
        .order_by(Specification.version)
        .limit(limit)
    )
    return (await session.execute(query)).scalars().all()


async def effective(session: ReadSession, characteristic: str, at: datetime | None = None) -> Specification | None:
    """The approved version whose beginning is the last one up to that time, or up to now."""
    moment = func.statement_timestamp() if at is None else at
    query = (
        select(Specification)
        .where(Specification.characteristic_id == characteristic, Specification.effective_from <= moment)
        .order_by(Specification.effective_from.desc())
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def approve(
    session: WriteSession, characteristic: str, version: int, effective_from: datetime, by: str, role: str
) -> Specification:
    statement = (
        update(Specification)
        .where(Specification.characteristic_id == characteristic, Specification.version == version)
        .values(effective_from=effective_from, approved_by=by, approved_role=role)
        .returning(Specification)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(statement)).scalar_one()
