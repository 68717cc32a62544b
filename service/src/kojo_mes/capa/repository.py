"""SQL of corrective and preventive actions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select, update

from kojo_mes.capa.models import ActionNonconformance, CorrectiveAction, EffectivenessVerification
from kojo_mes.capa.states import ActionState
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.nonconformance.models import Nonconformance


async def unknown(session: ReadSession, wanted: Collection[str]) -> set[str]:
    query = select(Nonconformance.id).where(Nonconformance.id.in_(wanted))
    return set(wanted) - set((await session.execute(query)).scalars())


async def add(session: WriteSession, values: Mapping[str, Any], nonconformances: Collection[str]) -> CorrectiveAction:
    statement = insert(CorrectiveAction).values(version=1, state=ActionState.OPEN, **values)
    row = (await session.execute(statement.returning(CorrectiveAction))).scalar_one()
    if nonconformances:
        links = [{"action_id": row.id, "nonconformance_id": each} for each in sorted(set(nonconformances))]
        await session.execute(insert(ActionNonconformance), links)
    return row


async def find(session: ReadSession, action: str) -> CorrectiveAction | None:
    return await session.get(CorrectiveAction, action)


async def lock(session: WriteSession, action: str) -> CorrectiveAction | None:
    query = select(CorrectiveAction).where(CorrectiveAction.id == action).with_for_update(key_share=True)
    return (await session.execute(query)).scalar_one_or_none()


async def move(
    session: WriteSession, present: CorrectiveAction, state: ActionState, values: Mapping[str, Any]
) -> CorrectiveAction:
    statement = (
        update(CorrectiveAction)
        .where(CorrectiveAction.id == present.id)
        .values(version=present.version + 1, state=state, **values)
        .returning(CorrectiveAction)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(statement)).scalar_one()


async def add_verification(session: WriteSession, values: Mapping[str, Any]) -> None:
    await session.execute(insert(EffectivenessVerification).values(values))


async def verifications(session: ReadSession, action: str) -> Sequence[EffectivenessVerification]:
    query = select(EffectivenessVerification).where(EffectivenessVerification.action_id == action)
    return (await session.execute(query.order_by(EffectivenessVerification.version))).scalars().all()


async def nonconformances(session: ReadSession, action: str) -> Sequence[str]:
    query = select(ActionNonconformance.nonconformance_id).where(ActionNonconformance.action_id == action)
    return (await session.execute(query.order_by(ActionNonconformance.nonconformance_id))).scalars().all()


async def page(session: ReadSession, state: str | None, after: str | None, limit: int) -> Sequence[CorrectiveAction]:
    query = select(CorrectiveAction).order_by(CorrectiveAction.id).limit(limit)
    if state is not None:
        query = query.where(CorrectiveAction.state == state)
    if after is not None:
        query = query.where(CorrectiveAction.id > after)
    return (await session.execute(query)).scalars().all()
