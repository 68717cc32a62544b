"""SQL of gauges and calibrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from kojo_mes.gauges.models import Calibration, Gauge
from kojo_mes.kit.database import ReadSession, WriteSession

SHOWN_CALIBRATIONS = 100
RELYING = text("SELECT count(*) FROM mes.quality_check WHERE calibration_id = :calibration")


async def add(session: WriteSession, values: Mapping[str, Any]) -> Gauge | None:
    """None when the id is taken."""
    statement = insert(Gauge).values(values).on_conflict_do_nothing(index_elements=["id"]).returning(Gauge)
    return (await session.execute(statement)).scalar_one_or_none()


async def find(session: ReadSession, gauge: str) -> Gauge | None:
    return await session.get(Gauge, gauge)


async def lock(session: WriteSession, gauge: str) -> Gauge | None:
    return (await session.execute(select(Gauge).where(Gauge.id == gauge).with_for_update())).scalar_one_or_none()


async def retire(session: WriteSession, gauge: str) -> Gauge:
    statement = (
        update(Gauge)
        .where(Gauge.id == gauge)
        .values(retired_at=func.now(), version=Gauge.version + 1)
        .returning(Gauge)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(statement)).scalar_one()


async def page(session: ReadSession, after: str | None, limit: int) -> Sequence[Gauge]:
    query = select(Gauge).order_by(Gauge.id).limit(limit)
    if after is not None:
        query = query.where(Gauge.id > after)
    return (await session.execute(query)).scalars().all()


async def add_calibration(session: WriteSession, values: Mapping[str, Any]) -> Calibration | None:
    """None when the gauge has one of the same time."""
    statement = (
        insert(Calibration)
        .values(values)
        .on_conflict_do_nothing(index_elements=["gauge_id", "calibrated_at"])
        .returning(Calibration)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def calibrations(session: ReadSession, gauge: str) -> Sequence[Calibration]:
    query = select(Calibration).where(Calibration.gauge_id == gauge).order_by(Calibration.calibrated_at.desc())
    return (await session.execute(query.limit(SHOWN_CALIBRATIONS))).scalars().all()


async def latest(session: ReadSession, gauge: str, at: datetime) -> Calibration | None:
    """The last one up to that time, whatever its result."""
    query = (
        select(Calibration)
        .where(Calibration.gauge_id == gauge, Calibration.calibrated_at <= at)
        .order_by(Calibration.calibrated_at.desc())
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def latest_found_out(session: ReadSession, gauge: str) -> Calibration | None:
    query = (
        select(Calibration)
        .where(Calibration.gauge_id == gauge, Calibration.as_found == "out-of-tolerance")
        .order_by(Calibration.calibrated_at.desc())
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def last_good_before(session: ReadSession, calibration: Calibration) -> Calibration | None:
    """The one that checks relied on until then."""
    query = (
        select(Calibration)
        .where(
            Calibration.gauge_id == calibration.gauge_id,
            Calibration.calibrated_at < calibration.calibrated_at,
            Calibration.as_left == "in-tolerance",
        )
        .order_by(Calibration.calibrated_at.desc())
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def relying_checks(session: ReadSession, calibration: str) -> int:
    return int((await session.execute(RELYING, {"calibration": calibration})).scalar_one())
