"""Corrective and preventive action (ISO 9001 10.2): implemented by one, found effective by another, then closed."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from kojo_mes.capa import repository
from kojo_mes.capa.models import CorrectiveAction
from kojo_mes.capa.schemas import (
    ActionClosureIn,
    ActionDetail,
    ActionIn,
    ActionOut,
    ImplementationIn,
    VerificationIn,
    VerificationOut,
)
from kojo_mes.capa.states import TRANSITIONS, ActionState
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.clock import now
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.versions import require
from kojo_mes.kit.writes import Denied

TYPE = "corrective-action"


async def open_action(session: WriteSession, actor: Actor, wanted: ActionIn) -> ActionOut:
    if unknown := await repository.unknown(session, wanted.nonconformances):
        detail = f"{', '.join(sorted(unknown))}: no nonconformance of this plant"
        raise invalid([Fault(place="body", field="nonconformances", detail=detail)])
    values = {"id": new_id(), "opened_by": actor.id, **wanted.model_dump(exclude={"nonconformances"})}
    row = await repository.add(session, values, wanted.nonconformances)
    opened = ActionOut.model_validate(row)
    new = {**opened.model_dump(), "nonconformances": wanted.nonconformances}
    await audit.record(session, actor, "capa:open", _ref(row), new=new)
    return opened


async def implement(
    session: WriteSession, actor: Actor, action: str, version: int, done: ImplementationIn
) -> ActionOut:
    row = await _locked(session, action, version)
    values = {
        "implementation": done.implementation,
        "implemented_by": actor.id,
        "implemented_at": await now(session),
    }
    return await _move(session, actor, row, ActionState.IMPLEMENTED, "capa:implement", values)


async def verify(session: WriteSession, actor: Actor, action: str, version: int, found: VerificationIn) -> ActionOut:
    """Effective: it may be closed. Not effective: it is open again."""
    row = await _locked(session, action, version)
    state = ActionState.VERIFIED if found.effective else ActionState.OPEN
    TRANSITIONS.check(_ref(row), ActionState(row.state), state)
    if row.implemented_by == actor.id:
        title = "Who implemented an action does not verify its effectiveness"
        raise Denied(_ref(row), state, title, status=HTTPStatus.FORBIDDEN, kind="not-permitted")
    verification = {
        "action_id": action,
        "version": version + 1,
        **found.model_dump(),
        "implemented_by": row.implemented_by,
        "verified_by": actor.id,
    }
    await repository.add_verification(session, verification)
    values: Mapping[str, object] = {"verification_version": version + 1}
    if not found.effective:
        values = dict.fromkeys(("implementation", "implemented_by", "implemented_at"))
    return await _move(session, actor, row, state, "capa:verify", values, found.evidence)


async def close(session: WriteSession, actor: Actor, action: str, version: int, closure: ActionClosureIn) -> ActionOut:
    """409 before its effectiveness was verified."""
    row = await _locked(session, action, version)
    values = {"closing_note": closure.note, "closed_by": actor.id, "closed_at": await now(session)}
    return await _move(session, actor, row, ActionState.CLOSED, "capa:close", values, closure.note)


async def read(session: ReadSession, action: str) -> ActionDetail:
    row = _known(await repository.find(session, action), action)
    return ActionDetail(
        **ActionOut.model_validate(row).model_dump(),
        nonconformances=list(await repository.nonconformances(session, action)),
        verifications=[
            VerificationOut.model_validate(each) for each in await repository.verifications(session, action)
        ],
    )


async def page(session: ReadSession, state: ActionState | None, after: str | None, limit: int) -> Page[ActionOut]:
    rows = await repository.page(session, state, after, limit + 1)
    return page_of(rows, limit, ActionOut.model_validate, lambda row: (row.id,))


async def _move(
    session: WriteSession,
    actor: Actor,
    row: CorrectiveAction,
    state: ActionState,
    action: str,
    values: Mapping[str, object],
    reason: str | None = None,
) -> ActionOut:
    TRANSITIONS.check(_ref(row), ActionState(row.state), state)
    old = ActionOut.model_validate(row).model_dump()
    moved = await repository.move(session, row, state, values)
    answer = ActionOut.model_validate(moved)
    await audit.record(session, actor, action, _ref(moved), old=old, new=answer.model_dump(), reason=reason)
    return answer


async def _locked(session: WriteSession, action: str, version: int) -> CorrectiveAction:
    row = _known(await repository.lock(session, action), action)
    require(row.version, version)
    return row


def _known(row: CorrectiveAction | None, action: str) -> CorrectiveAction:
    if row is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-action", f"There is no corrective action {action}")
    return row


def _ref(row: CorrectiveAction) -> RecordRef:
    return RecordRef(TYPE, row.id, row.version)
