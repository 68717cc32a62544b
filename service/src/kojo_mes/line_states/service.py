"""Line states: appended as they happen, reclassified afterwards with a reason, never lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Fault, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.sources import RECORD
from kojo_mes.kit.writes import Denied
from kojo_mes.line_states import repository
from kojo_mes.line_states.models import LineState, Reclassification, StateReason, SupersededState
from kojo_mes.line_states.schemas import (
    MicroStop,
    MicroStops,
    ReasonIn,
    ReasonOut,
    ReclassificationEntry,
    ReclassificationIn,
    ReclassificationOut,
    StateIn,
    StateOut,
    SupersededOut,
)
from kojo_mes.line_states.timeline import Interval, Span, State, reclassified, stops
from kojo_mes.lines import repository as lines_repository
from kojo_mes.lines import service as lines_service
from kojo_mes.lines.devices import require_own_line
from kojo_mes.oee import repository as oee_repository
from kojo_mes.products import service as products_service
from kojo_mes.signals import repository as signals_repository

CLOCK_TOLERANCE = timedelta(seconds=60)


async def record(session: WriteSession, actor: Actor, line_id: str, given: StateIn) -> StateOut:
    """Ends the present state where the new one begins. The same state again is the same state: nothing changes.

    409 when it began before the present one did: what is past is reclassified.
    """
    await _prepare(session, line_id, given.state, given.reason, given.product)
    await require_own_line(session, actor, line_id, "record a state")
    if given.time > datetime.now(UTC) + CLOCK_TOLERANCE:
        raise invalid([Fault(place="body", field="time", detail="is in the future")])
    present = await repository.present(session, line_id)
    if present is not None:
        same = (present.state, present.reason, present.product_id) == (given.state, given.reason, given.product)
        if same and given.time >= present.started_at:
            return StateOut.model_validate(present)
        if given.time <= present.started_at:
            raise Denied(
                RecordRef("line", line_id),
                f"{given.state} from {given.time.isoformat()}",
                "The line's present state did not begin earlier",
                f"It is {present.state} since {present.started_at.isoformat()}. Reclassify what is past.",
                kind="state-out-of-order",
            )
        await repository.end(session, present.id, given.time)
    state = LineState(
        id=new_id(),
        line_id=line_id,
        state=given.state.value,
        reason=given.reason,
        product_id=given.product,
        started_at=given.time,
        ended_at=None,
        previous_ended_at=given.time if present is not None else None,
        recorded_by=actor.id,
    )
    session.add(state)
    await session.flush()
    await session.refresh(state)
    await oee_repository.outdate(session, line_id, given.time, datetime.now(UTC))
    await signals_repository.changed(session, line_id, given.time, datetime.now(UTC))
    answer = StateOut.model_validate(state)
    old = StateOut.model_validate(present).model_dump() if present is not None else None
    ref = RecordRef("line_state", state.id)
    await audit.record(session, actor, "line-states:record", ref, old=old, new=answer.model_dump())
    return answer


async def reclassify(
    session: WriteSession, actor: Actor, line_id: str, given: ReclassificationIn
) -> ReclassificationOut:
    """The time in another state. What it was before is kept, with the reason.

    409 when not all of the time has a state; 422 when it is not over, or would run without a product.
    """
    await _prepare(session, line_id, given.state, given.reason, given.product)
    if given.to_time > datetime.now(UTC):
        raise invalid([Fault(place="body", field="to", detail="is in the future")])
    window = Interval(given.from_time, given.to_time)
    old = await repository.touching(session, line_id, window.start, window.end)
    try:
        new = reclassified([span_of(row) for row in old], window, given.state, given.reason, given.product)
    except ValueError as error:
        ref, title = RecordRef("line", line_id), "The line has no state to reclassify"
        raise Denied(ref, "reclassify", title, str(error), kind="no-state") from error
    if any(span.state is State.RUNNING and span.product is None for span in new):
        detail = "is needed: part of the time has none, and running makes one"
        raise invalid([Fault(place="body", field="product", detail=detail)])
    reclassification = Reclassification(
        id=new_id(),
        line_id=line_id,
        from_time=window.start,
        to_time=window.end,
        state=given.state.value,
        reason=given.reason,
        product_id=given.product,
        explanation=given.explanation,
        reclassified_by=actor.id,
    )
    session.add(reclassification)
    await session.flush()
    before = [StateOut.model_validate(row) for row in old]
    rows = await repository.replace(session, [row.id for row in old], _rows(old, new, window, actor))
    await oee_repository.outdate(session, line_id, window.start, window.end)
    await signals_repository.changed(session, line_id, window.start, window.end)
    states = [StateOut.model_validate(row) for row in rows]
    await audit.record(
        session,
        actor,
        "line-states:reclassify",
        RecordRef("line_state_reclassification", reclassification.id),
        old={"states": [state.model_dump() for state in before]},
        new={"states": [state.model_dump() for state in states]},
        reason=given.explanation,
    )
    return ReclassificationOut(id=reclassification.id, superseded=len(old), states=states)


def _rows(old: Any, new: list[Span], window: Interval, actor: Actor) -> list[dict[str, Any]]:
    """What sticks out of the window keeps the name of who recorded it."""
    rows: list[dict[str, Any]] = []
    origins = iter(old)
    origin = next(origins)
    for span in new:
        while origin.ended_at is not None and origin.ended_at <= span.start:
            origin = next(origins)
        within = window.start <= span.start < window.end
        rows.append(
            {
                "id": new_id(),
                "line_id": origin.line_id,
                "state": span.state.value,
                "reason": span.reason,
                "product_id": span.product,
                "started_at": span.start,
                "ended_at": span.end,
                "previous_ended_at": span.start if rows else origin.previous_ended_at,
                "recorded_by": actor.id if within else origin.recorded_by,
                "source": RECORD if within else origin.source,
            }
        )
    return rows


def span_of(row: LineState) -> Span:
    return Span(row.started_at, row.ended_at, State(row.state), row.reason, row.product_id)


async def states(
    session: ReadSession,
    line_id: str,
    start: datetime,
    end: datetime,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Page[StateOut]:
    await lines_service.known(session, line_id)
    rows = await repository.page(session, LineState, line_id, start, end, after, limit + 1)
    return page_of(rows, limit, StateOut.model_validate, lambda row: (row.started_at, row.id))


async def superseded(
    session: ReadSession,
    line_id: str,
    start: datetime,
    end: datetime,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Page[SupersededOut]:
    await lines_service.known(session, line_id)
    rows = await repository.page(session, SupersededState, line_id, start, end, after, limit + 1)
    return page_of(rows, limit, SupersededOut.model_validate, lambda row: (row.started_at, row.id))


async def reclassifications(
    session: ReadSession, line_id: str, after: str | None, limit: int
) -> Page[ReclassificationEntry]:
    await lines_service.known(session, line_id)
    rows = await repository.reclassifications(session, line_id, after, limit + 1)
    return page_of(rows, limit, ReclassificationEntry.model_validate, lambda row: (row.id,))


async def micro_stops(session: ReadSession, line_id: str, start: datetime, end: datetime) -> MicroStops:
    line = await lines_service.known(session, line_id)
    limit = timedelta(seconds=line.micro_stop_limit)
    rows = await repository.touching(session, line_id, start - limit, end + limit)
    items = [
        MicroStop(started_at=stop.start, ended_at=stop.end, seconds=(stop.end - stop.start).total_seconds())
        for stop in stops(map(span_of, rows))
        if stop.end is not None and stop.is_micro(limit) and start <= stop.start < end
    ]
    return MicroStops(limit=line.micro_stop_limit, seconds=sum(item.seconds for item in items), items=items)


async def reasons(session: ReadSession, after: tuple[str, str] | None, limit: int) -> Page[ReasonOut]:
    rows = await repository.reasons(session, after, limit + 1)
    return page_of(rows, limit, ReasonOut.model_validate, lambda row: (row.state, row.code))


async def add_reason(session: WriteSession, actor: Actor, given: ReasonIn) -> ReasonOut:
    ref = RecordRef("state_reason", f"{given.state}:{given.code}")
    if await repository.reason(session, given.state.value, given.code):
        raise Denied(ref, "add", f"{given.state} has a reason {given.code}", kind="reason-exists")
    names = {str(language): name for language, name in given.name.items()}
    new = StateReason(state=given.state.value, code=given.code, name=names)
    session.add(new)
    await session.flush()
    answer = ReasonOut(state=given.state, code=given.code, name=new.name)
    await audit.record(session, actor, "line-states:add-reason", ref, new=answer.model_dump())
    return answer


async def _prepare(session: WriteSession, line_id: str, state: State, reason: str | None, product: str | None) -> None:
    await lines_service.known(session, line_id)
    if reason is not None and await repository.reason(session, state.value, reason) is None:
        raise invalid([Fault(place="body", field="reason", detail=f"{reason} is not a reason of {state}")])
    if product is not None:
        await products_service.require_known(session, {product})
    await lines_repository.lock(session, line_id)
