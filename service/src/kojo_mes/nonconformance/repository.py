"""SQL of nonconformances and holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, insert, select, text, update

from kojo_mes.characteristics.models import Characteristic
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.lines.models import Line
from kojo_mes.nonconformance.models import DispositionRow, Hold, Nonconformance, SignalRow
from kojo_mes.nonconformance.states import UNDECIDED, NonconformanceState

# of the same characteristic, lot and serial, later than the disposition that it verifies
VERIFIES = text("""
    SELECT FROM mes.quality_check AS found
    JOIN mes.nonconformance AS subject ON subject.id = :nonconformance
    JOIN mes.disposition ON nonconformance_id = subject.id AND disposition.version = subject.disposition_version
    WHERE found.id = :check AND found.conforming AND found.measured_at > disposition.decided_at
      AND NOT EXISTS (SELECT FROM mes.quality_signal WHERE check_id = found.id)
      AND found.product_id = subject.product_id
      AND found.characteristic_id = coalesce(subject.characteristic_id, found.characteristic_id)
      AND found.lot_id IS NOT DISTINCT FROM coalesce(subject.lot_id, found.lot_id)
      AND found.serial IS NOT DISTINCT FROM coalesce(subject.serial, found.serial)
""")
TOTALS = text("""
    SELECT line.id AS line, coalesce(held.number, 0) AS holds, held.newest AS newest_hold,
           coalesce(unclosed.number, 0) AS nonconformances, unclosed.newest AS newest_nonconformance
    FROM mes.line
    LEFT JOIN (
        SELECT line_id, count(*) AS number, max(id) AS newest FROM mes.hold WHERE released_at IS NULL GROUP BY line_id
    ) AS held ON held.line_id = line.id
    LEFT JOIN (
        SELECT line_id, count(*) AS number, max(id) AS newest FROM mes.nonconformance
        WHERE state <> 'closed' GROUP BY line_id
    ) AS unclosed ON unclosed.line_id = line.id
    WHERE line.retired_at IS NULL
    ORDER BY line.position
""")


async def line_exists(session: ReadSession, line: str) -> bool:
    query = select(Line.id).where(Line.id == line, Line.retired_at.is_(None))
    return (await session.execute(query)).first() is not None


async def characteristic_exists(session: ReadSession, characteristic: str) -> bool:
    return await session.get(Characteristic, characteristic) is not None


async def add(session: WriteSession, values: Mapping[str, Any]) -> Nonconformance:
    statement = insert(Nonconformance).values(version=1, state=NonconformanceState.OPEN, **values)
    return (await session.execute(statement.returning(Nonconformance))).scalar_one()


async def find(session: ReadSession, nonconformance: str) -> Nonconformance | None:
    return await session.get(Nonconformance, nonconformance)


async def lock(session: WriteSession, nonconformance: str) -> Nonconformance | None:
    query = select(Nonconformance).where(Nonconformance.id == nonconformance).with_for_update(key_share=True)
    return (await session.execute(query)).scalar_one_or_none()


async def lock_undecided(
    session: WriteSession, characteristic: str, line: str, lot: str | None, serial: str | None
) -> Nonconformance | None:
    """The one that further signals of the same characteristic, line, lot and serial belong to."""
    query = (
        select(Nonconformance)
        .where(
            Nonconformance.characteristic_id == characteristic,
            Nonconformance.line_id == line,
            Nonconformance.lot_id.is_not_distinct_from(lot),
            Nonconformance.serial.is_not_distinct_from(serial),
            Nonconformance.source == "signal",
            Nonconformance.state.in_(UNDECIDED),
        )
        .order_by(Nonconformance.id)
        .limit(1)
        .with_for_update(key_share=True)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def move(
    session: WriteSession, present: Nonconformance, state: NonconformanceState, values: Mapping[str, Any]
) -> Nonconformance:
    statement = (
        update(Nonconformance)
        .where(Nonconformance.id == present.id)
        .values(version=present.version + 1, state=state, **values)
        .returning(Nonconformance)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(statement)).scalar_one()


async def page(
    session: ReadSession, state: str | None, line: str | None, lot: str | None, after: str | None, limit: int
) -> Sequence[Nonconformance]:
    query = select(Nonconformance).order_by(Nonconformance.id).limit(limit)
    if state is not None:
        query = query.where(Nonconformance.state == state)
    if line is not None:
        query = query.where(Nonconformance.line_id == line)
    if lot is not None:
        query = query.where(Nonconformance.lot_id == lot)
    if after is not None:
        query = query.where(Nonconformance.id > after)
    return (await session.execute(query)).scalars().all()


async def add_disposition(session: WriteSession, values: Mapping[str, Any]) -> None:
    await session.execute(insert(DispositionRow).values(values))


async def disposition(session: ReadSession, nonconformance: str, version: int) -> DispositionRow | None:
    return await session.get(DispositionRow, (nonconformance, version))


async def dispositions(session: ReadSession, nonconformance: str) -> Sequence[DispositionRow]:
    query = select(DispositionRow).where(DispositionRow.nonconformance_id == nonconformance)
    return (await session.execute(query.order_by(DispositionRow.version))).scalars().all()


async def verifies(session: ReadSession, nonconformance: str, check: str) -> bool:
    return (await session.execute(VERIFIES, {"nonconformance": nonconformance, "check": check})).first() is not None


async def add_signals(session: WriteSession, nonconformance: str, signals: Sequence[tuple[str, str]]) -> None:
    rows = [{"check_id": check, "rule": rule, "nonconformance_id": nonconformance} for check, rule in signals]
    await session.execute(insert(SignalRow), rows)


async def signals(session: ReadSession, nonconformance: str) -> Sequence[SignalRow]:
    query = select(SignalRow).where(SignalRow.nonconformance_id == nonconformance)
    return (await session.execute(query.order_by(SignalRow.check_id, SignalRow.rule))).scalars().all()


async def signals_of(session: ReadSession, checks: Sequence[str]) -> Sequence[SignalRow]:
    query = select(SignalRow).where(SignalRow.check_id.in_(checks))
    return (await session.execute(query.order_by(SignalRow.check_id, SignalRow.rule))).scalars().all()


async def add_hold(session: WriteSession, values: Mapping[str, Any]) -> Hold:
    return (await session.execute(insert(Hold).values(values).returning(Hold))).scalar_one()


async def find_hold(session: ReadSession, hold: str) -> Hold | None:
    return await session.get(Hold, hold)


async def lock_hold(session: WriteSession, hold: str) -> Hold | None:
    return (await session.execute(select(Hold).where(Hold.id == hold).with_for_update())).scalar_one_or_none()


async def release_hold(session: WriteSession, present: Hold, values: Mapping[str, Any]) -> Hold:
    statement = (
        update(Hold)
        .where(Hold.id == present.id)
        .values(version=present.version + 1, **values)
        .returning(Hold)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(statement)).scalar_one()


async def holds_of(session: ReadSession, nonconformance: str) -> Sequence[Hold]:
    query = select(Hold).where(Hold.nonconformance_id == nonconformance).order_by(Hold.id)
    return (await session.execute(query)).scalars().all()


async def holds(
    session: ReadSession, active: bool | None, line: str | None, lot: str | None, after: str | None, limit: int
) -> Sequence[Hold]:
    query = select(Hold).order_by(Hold.id).limit(limit)
    if active is not None:
        query = query.where(Hold.released_at.is_(None) if active else Hold.released_at.is_not(None))
    if line is not None:
        query = query.where(Hold.line_id == line)
    if lot is not None:
        query = query.where(Hold.lot_id == lot)
    if after is not None:
        query = query.where(Hold.id > after)
    return (await session.execute(query)).scalars().all()


async def totals(session: ReadSession) -> Sequence[Row[Any]]:
    """By line: active holds, nonconformances that are not closed, and the newest of each."""
    return (await session.execute(TOTALS)).all()
