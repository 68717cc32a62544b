"""SQL of checks and control charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from sqlalchemy import Row, Select, func, insert, literal, select, text, tuple_, union_all
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import aliased

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.quality.models import ControlChart, ControlLimits, QualityCheck

# what the lines' sensors counted, and the checks that were recorded by the API
TOTALS = text("""
    SELECT line.id AS line, coalesce(sum(passed), 0) AS passed, coalesce(sum(failed), 0) AS failed
    FROM mes.line LEFT JOIN (
        SELECT line_id, quality_passed AS passed, quality_failed AS failed FROM mes.line_total
        UNION ALL SELECT line_id, passed, failed FROM mes.quality_check_total
    ) AS total ON total.line_id = line.id
    WHERE line.retired_at IS NULL
    GROUP BY line.id
    ORDER BY line.position
""")
COUNT: LiteralString = """
    INSERT INTO mes.quality_check_total AS total (line_id, slot, passed, failed)
    VALUES (%(line)s, pg_backend_pid() %% 16, %(passed)s, %(failed)s)
    ON CONFLICT (line_id, slot)
        DO UPDATE SET passed = total.passed + excluded.passed, failed = total.failed + excluded.failed
"""
ARRIVAL = text("""
    SELECT clock_timestamp() AS moment, EXISTS (SELECT FROM mes.line WHERE id = :line AND retired_at IS NULL) AS known
""")


@dataclass(frozen=True)
class CheckFilter:
    characteristic: str | None = None
    line: str | None = None
    lot: str | None = None
    calibration: str | None = None
    conforming: bool | None = None
    start: datetime | None = None
    end: datetime | None = None


async def totals(session: ReadSession) -> Sequence[Row[tuple[str, int, int]]]:
    return (await session.execute(TOTALS)).all()


def count(session: WriteSession, line: str, *, passed: bool) -> None:
    """At COMMIT."""
    session.leave(COUNT, {"line": line, "passed": int(passed), "failed": int(not passed)})


async def arrival(session: ReadSession, line: str) -> tuple[datetime, bool]:
    """The primary's time, and whether the plant has the line."""
    row = (await session.execute(ARRIVAL, {"line": line})).one()
    return row.moment, row.known


async def add(session: WriteSession, values: Mapping[str, Any]) -> QualityCheck:
    return (await session.execute(insert(QualityCheck).values(values).returning(QualityCheck))).scalar_one()


async def find(session: ReadSession, check: str) -> QualityCheck | None:
    return await session.get(QualityCheck, check)


async def page(session: ReadSession, wanted: CheckFilter, after: str | None, limit: int) -> Sequence[QualityCheck]:
    query = select(QualityCheck).order_by(QualityCheck.id).limit(limit)
    for column, value in (
        (QualityCheck.characteristic_id, wanted.characteristic),
        (QualityCheck.line_id, wanted.line),
        (QualityCheck.lot_id, wanted.lot),
        (QualityCheck.calibration_id, wanted.calibration),
        (QualityCheck.conforming, wanted.conforming),
    ):
        if value is not None:
            query = query.where(column == value)
    if after is not None:
        query = query.where(QualityCheck.id > after)
    return (await session.execute(_between(query, wanted.start, wanted.end))).scalars().all()


async def neighbours(
    session: ReadSession, check: QualityCheck, before: int, after: int
) -> tuple[Sequence[QualityCheck], Sequence[QualityCheck]]:
    """Of the same chart and limits, in the order of measurement: those before the check, and those after it."""
    position = tuple_(QualityCheck.measured_at, QualityCheck.id)
    here = tuple_(literal(check.measured_at), literal(check.id))
    series = select(QualityCheck).where(
        QualityCheck.chart_id == check.chart_id, QualityCheck.limits_version == check.limits_version
    )
    newest_first = (QualityCheck.measured_at.desc(), QualityCheck.id.desc())
    earlier = series.where(position <= here).order_by(*newest_first).limit(before + 1)
    later = series.where(position > here).order_by(QualityCheck.measured_at, QualityCheck.id).limit(after)
    both = union_all(earlier, later).subquery()
    query = select(aliased(QualityCheck, both)).order_by(both.c.measured_at, both.c.id)
    found = (await session.execute(query)).scalars().all()
    here_at = next(index for index, row in enumerate(found) if row.id == check.id)
    return found[:here_at], found[here_at + 1 :]


async def latest_of_chart(
    session: ReadSession,
    chart: str,
    start: datetime | None,
    end: datetime | None,
    limit: int,
    before: tuple[datetime, str] | None = None,
) -> Sequence[QualityCheck]:
    """The last ones of a time, or of what comes before a check's time and id, in the order of measurement."""
    query = (
        select(QualityCheck)
        .where(QualityCheck.chart_id == chart)
        .order_by(QualityCheck.measured_at.desc(), QualityCheck.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(tuple_(QualityCheck.measured_at, QualityCheck.id) < before)
    return (await session.execute(_between(query, start, end))).scalars().all()[::-1]


async def add_chart(session: WriteSession, values: Mapping[str, Any]) -> ControlChart | None:
    """None when the id is taken, or the characteristic has a chart on that line."""
    statement = postgresql.insert(ControlChart).values(values).on_conflict_do_nothing().returning(ControlChart)
    return (await session.execute(statement)).scalar_one_or_none()


async def chart(session: ReadSession, chart_id: str) -> ControlChart | None:
    return await session.get(ControlChart, chart_id)


async def chart_of(
    session: ReadSession, characteristic: str, line: str
) -> tuple[ControlChart | None, ControlLimits | None]:
    """With its present limits."""
    query = (
        select(ControlChart, ControlLimits)
        .outerjoin(ControlLimits, ControlLimits.chart_id == ControlChart.id)
        .where(ControlChart.characteristic_id == characteristic, ControlChart.line_id == line)
        .order_by(ControlLimits.version.desc())
        .limit(1)
    )
    row = (await session.execute(query)).one_or_none()
    return (row[0], row[1]) if row else (None, None)


async def charts(session: ReadSession, line: str | None, after: str | None, limit: int) -> Sequence[ControlChart]:
    query = select(ControlChart).order_by(ControlChart.id).limit(limit)
    if line is not None:
        query = query.where(ControlChart.line_id == line)
    if after is not None:
        query = query.where(ControlChart.id > after)
    return (await session.execute(query)).scalars().all()


async def limits(session: ReadSession, chart_id: str) -> Sequence[ControlLimits]:
    query = select(ControlLimits).where(ControlLimits.chart_id == chart_id).order_by(ControlLimits.version)
    return (await session.execute(query)).scalars().all()


async def add_limits(session: WriteSession, chart_id: str, values: Mapping[str, Any]) -> ControlLimits:
    """Under the characteristic's lock: the next version is nobody else's."""
    latest = select(func.coalesce(func.max(ControlLimits.version), 0)).where(ControlLimits.chart_id == chart_id)
    version = int((await session.execute(latest)).scalar_one()) + 1
    statement = insert(ControlLimits).values(chart_id=chart_id, version=version, **values).returning(ControlLimits)
    return (await session.execute(statement)).scalar_one()


def _between(
    query: Select[tuple[QualityCheck]], start: datetime | None, end: datetime | None
) -> Select[tuple[QualityCheck]]:
    if start is not None:
        query = query.where(QualityCheck.measured_at >= start)
    if end is not None:
        query = query.where(QualityCheck.measured_at < end)
    return query
