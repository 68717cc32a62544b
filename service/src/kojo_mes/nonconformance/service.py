"""Nonconforming output (ISO 9001 8.7): found, held, reviewed, disposed of with authority, closed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from kojo_mes.identity.matrix import ALLOWED
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
from kojo_mes.nonconformance import holds, repository
from kojo_mes.nonconformance.models import Nonconformance
from kojo_mes.nonconformance.places import columns, refuse_unknown
from kojo_mes.nonconformance.record import TYPE, content_digest, reference
from kojo_mes.nonconformance.schemas import (
    DispositionIn,
    DispositionOut,
    HoldOut,
    NonconformanceClosureIn,
    NonconformanceDetail,
    NonconformanceOut,
    Place,
    ReportIn,
    SignalOut,
    Source,
)
from kojo_mes.nonconformance.states import AUTHORITY, TRANSITIONS, Disposition
from kojo_mes.nonconformance.states import NonconformanceState as State
from kojo_mes.signatures import service as signatures
from kojo_mes.signatures.schemas import Meaning


async def report(session: WriteSession, actor: Actor, wanted: ReportIn) -> NonconformanceOut:
    """Opened by a person; what it is about is held at once."""
    await refuse_unknown(session, wanted)
    if wanted.characteristic and not await repository.characteristic_exists(session, wanted.characteristic):
        raise invalid([Fault(place="body", field="characteristic", detail="is not a characteristic of this plant")])
    return await _open(session, actor, wanted, Source.REPORT, wanted.description, wanted.characteristic)


async def open_for_signals(
    session: WriteSession, actor: Actor, place: Place, characteristic: str, signals: Sequence[tuple[str, str]]
) -> str:
    """Signals (check, rule) of a characteristic: they join its undecided nonconformance, or open one with its hold, in
    the transaction of the check that gave them. The nonconformance's id."""
    found = await repository.lock_undecided(session, characteristic, place.line, place.lot, place.serial)
    if found is None:
        rules = ", ".join(sorted({rule for _, rule in signals}))
        text = f"{characteristic}: {rules}"
        nonconformance = (await _open(session, actor, place, Source.SIGNAL, text, characteristic)).id
    else:
        nonconformance = found.id
    await repository.add_signals(session, nonconformance, signals)
    new = {"signals": [{"check": check, "rule": rule} for check, rule in signals]}
    await audit.record(session, actor, "nonconformances:signal", RecordRef(TYPE, nonconformance), new=new)
    return nonconformance


async def review(
    session: WriteSession, actor: Actor, nonconformance: str, version: int, reason: str
) -> NonconformanceOut:
    """Begins a review; or begins it again, when the disposition does not do. What was released is then held again."""
    row = await _locked(session, nonconformance, version)
    TRANSITIONS.check(reference(row), State(row.state), State.UNDER_REVIEW)
    again = {"disposition_version": None, "disposition": None, "verification_check_id": None}
    moved = await _move(session, actor, row, State.UNDER_REVIEW, "nonconformances:review", again, reason)
    if not any(hold.released_at is None for hold in await repository.holds_of(session, nonconformance)):
        await holds.place_for(session, actor, row, reason)
    return moved


async def dispose(
    session: WriteSession, actor: Actor, nonconformance: str, version: int, wanted: DispositionIn
) -> NonconformanceOut:
    """By a person whose role may, with their signature on the version that it makes."""
    row = await _locked(session, nonconformance, version)
    ref = RecordRef(TYPE, nonconformance, version + 1)
    TRANSITIONS.check(ref, State(row.state), State.DISPOSITIONED)
    role, disposition = wanted.signature.role, wanted.disposition
    if AUTHORITY[disposition] not in ALLOWED[role]:
        title = f"The {role} may not decide on {disposition}"
        raise Denied(ref, disposition, title, status=HTTPStatus.FORBIDDEN, kind="not-permitted")
    digest = content_digest(row, version + 1, disposition, wanted.justification, wanted.concession)
    await signatures.sign(session, actor, wanted.signature, ref, digest, Meaning.DISPOSITION, role)
    decided = {
        "nonconformance_id": nonconformance,
        "version": version + 1,
        **wanted.model_dump(include={"disposition", "justification", "concession"}),
        "decided_by": actor.id,
        "decided_role": role,
    }
    await repository.add_disposition(session, decided)
    values = {"disposition_version": version + 1, "disposition": disposition}
    return await _move(
        session, actor, row, State.DISPOSITIONED, "nonconformances:dispose", values, wanted.justification
    )


async def close(
    session: WriteSession, actor: Actor, nonconformance: str, version: int, wanted: NonconformanceClosureIn
) -> NonconformanceOut:
    row = await _locked(session, nonconformance, version)
    ref = reference(row)
    TRANSITIONS.check(ref, State(row.state), State.CLOSED)
    check = wanted.verification_check
    if row.disposition == Disposition.REWORK and check is None:
        detail = "Check the reworked output, and name the check (ISO 9001 8.7.1)."
        raise Denied(ref, State.CLOSED, "The rework is not verified", detail, kind="not-verified")
    if check is not None and not await repository.verifies(session, nonconformance, check):
        detail = "It is to conform, without a signal, to be of the same output, and later than the disposition."
        raise Denied(ref, State.CLOSED, f"The check {check} does not verify it", detail, kind="not-verified")
    active = [hold for hold in await repository.holds_of(session, nonconformance) if hold.released_at is None]
    if active and not holds.stays_held(row):
        detail = f"Release it first: {', '.join(hold.id for hold in active)}."
        raise Denied(ref, State.CLOSED, "Its hold is active", detail, kind="active-hold")
    values = {
        "verification_check_id": check,
        "closing_note": wanted.note,
        "closed_by": actor.id,
        "closed_at": await now(session),
    }
    return await _move(session, actor, row, State.CLOSED, "nonconformances:close", values, wanted.note)


async def read(session: ReadSession, nonconformance: str) -> NonconformanceDetail:
    row = _known(await repository.find(session, nonconformance), nonconformance)
    return NonconformanceDetail(
        **NonconformanceOut.model_validate(row).model_dump(),
        signals=[SignalOut.model_validate(each) for each in await repository.signals(session, nonconformance)],
        holds=[HoldOut.model_validate(each) for each in await repository.holds_of(session, nonconformance)],
        dispositions=[
            DispositionOut.model_validate(each) for each in await repository.dispositions(session, nonconformance)
        ],
        signatures=await signatures.signatures_of(session, RecordRef(TYPE, nonconformance)),
    )


async def page(
    session: ReadSession, state: State | None, line: str | None, lot: str | None, after: str | None, limit: int
) -> Page[NonconformanceOut]:
    rows = await repository.page(session, state, line, lot, after, limit + 1)
    return page_of(rows, limit, NonconformanceOut.model_validate, lambda row: (row.id,))


async def _open(
    session: WriteSession, actor: Actor, place: Place, source: Source, description: str, characteristic: str | None
) -> NonconformanceOut:
    values = {
        "id": new_id(),
        "source": source,
        "description": description,
        "characteristic_id": characteristic,
        "opened_by": actor.id,
        **columns(place),
    }
    row = await repository.add(session, values)
    opened = NonconformanceOut.model_validate(row)
    await audit.record(session, actor, "nonconformances:open", reference(row), new=opened.model_dump())
    await holds.place_for(session, actor, row, description)
    return opened


async def _move(
    session: WriteSession,
    actor: Actor,
    row: Nonconformance,
    state: State,
    action: str,
    values: Mapping[str, object],
    reason: str,
) -> NonconformanceOut:
    old = NonconformanceOut.model_validate(row).model_dump()
    moved = await repository.move(session, row, state, values)
    answer = NonconformanceOut.model_validate(moved)
    await audit.record(session, actor, action, reference(moved), old=old, new=answer.model_dump(), reason=reason)
    return answer


async def _locked(session: WriteSession, nonconformance: str, version: int) -> Nonconformance:
    row = _known(await repository.lock(session, nonconformance), nonconformance)
    require(row.version, version)
    return row


def _known(row: Nonconformance | None, nonconformance: str) -> Nonconformance:
    if row is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-nonconformance", f"There is no nonconformance {nonconformance}")
    return row
