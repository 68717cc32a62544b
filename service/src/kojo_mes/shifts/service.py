"""The shift calendar: patterns make shifts; exceptions move, cancel or add them, each with its reason."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from zoneinfo import ZoneInfo

from sqlalchemy.exc import IntegrityError

from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession, WriteSession, driver_error
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.versions import require
from kojo_mes.kit.writes import Denied
from kojo_mes.lines import repository as lines_repository
from kojo_mes.lines import service as lines_service
from kojo_mes.oee import repository as oee_repository
from kojo_mes.shifts import repository
from kojo_mes.shifts.calendar import Days, Pattern, occurrences
from kojo_mes.shifts.models import Shift, ShiftClosure, ShiftPattern
from kojo_mes.shifts.schemas import (
    Cancellation,
    ClosureIn,
    ClosureOut,
    PatternIn,
    PatternOut,
    ShiftIn,
    ShiftOut,
    ShiftTimes,
)
from kojo_mes.signals import repository as signals_repository


async def plan(session: WriteSession, actor: Actor, given: PatternIn) -> PatternOut:
    """Makes the pattern's shifts, all or none. 409 when one would overlap another, 422 when no day fits."""
    zone = await _begin(session, given.line)
    days = Days(given.first_day, given.last_day)
    pattern = Pattern(frozenset(given.weekdays), given.starts, given.ends, days)
    planned = list(occurrences(pattern, zone, await repository.closures(session, given.line)))
    if not planned:
        raise invalid([Fault(place="body", field="weekdays", detail="none of the days is open and of these weekdays")])
    row = ShiftPattern(
        id=new_id(),
        line_id=given.line,
        name=given.name,
        weekdays=sorted(given.weekdays),
        starts=given.starts,
        ends=given.ends,
        first_day=given.first_day,
        last_day=given.last_day,
    )
    session.add(row)
    await session.flush()
    shifts = [
        {
            "id": new_id(),
            "line_id": given.line,
            "name": given.name,
            "day": shift.day,
            "starts_at": shift.starts_at,
            "ends_at": shift.ends_at,
            "pattern_id": row.id,
        }
        for shift in planned
    ]
    try:
        await repository.add(session, shifts)
    except IntegrityError as error:
        raise _overlap(error, given.line) from error
    await _outdate(session, given.line, planned[0].starts_at, planned[-1].ends_at)
    answer = PatternOut(id=row.id, shifts=len(shifts), first_day=given.first_day, last_day=given.last_day)
    await audit.record(
        session,
        actor,
        "shifts:plan",
        RecordRef("shift_pattern", row.id),
        new={**given.model_dump(mode="json"), "weekdays": sorted(given.weekdays), "shifts": len(shifts)},
    )
    return answer


async def add(session: WriteSession, actor: Actor, given: ShiftIn) -> ShiftOut:
    """A shift beside the patterns. 409 when it would overlap another."""
    zone = await _begin(session, given.line)
    shift = Shift(
        id=new_id(),
        line_id=given.line,
        name=given.name,
        day=given.starts_at.astimezone(zone).date(),
        starts_at=given.starts_at,
        ends_at=given.ends_at,
        pattern_id=None,
        exception=given.exception,
        cancelled=False,
        version=1,
    )
    session.add(shift)
    answer = await _stored(session, shift)
    await _outdate(session, given.line, given.starts_at, given.ends_at)
    ref = RecordRef("shift", shift.id, 1)
    await audit.record(session, actor, "shifts:add", ref, new=answer.model_dump(), reason=given.exception)
    return answer


async def move(session: WriteSession, actor: Actor, shift_id: str, version: int, given: ShiftTimes) -> ShiftOut:
    """Other times, with the reason. 409 when it would overlap another, or is cancelled."""
    shift = await _changeable(session, shift_id, version, "move")
    old = ShiftOut.model_validate(shift)
    shift.starts_at, shift.ends_at, shift.exception = given.starts_at, given.ends_at, given.exception
    shift.version += 1
    answer = await _stored(session, shift)
    await _outdate(session, shift.line_id, old.starts_at, old.ends_at)
    await _outdate(session, shift.line_id, shift.starts_at, shift.ends_at)
    ref = RecordRef("shift", shift_id, answer.version)
    await audit.record(
        session, actor, "shifts:move", ref, old=old.model_dump(), new=answer.model_dump(), reason=given.exception
    )
    return answer


async def cancel(session: WriteSession, actor: Actor, shift_id: str, version: int, given: Cancellation) -> ShiftOut:
    """Takes the shift out of the calendar, with the reason; the row stays. There is no way back but a new shift."""
    shift = await _changeable(session, shift_id, version, "cancel")
    old = ShiftOut.model_validate(shift)
    shift.cancelled, shift.exception = True, given.exception
    shift.version += 1
    answer = await _stored(session, shift)
    await _outdate(session, shift.line_id, shift.starts_at, shift.ends_at)
    ref = RecordRef("shift", shift_id, answer.version)
    await audit.record(
        session, actor, "shifts:cancel", ref, old=old.model_dump(), new=answer.model_dump(), reason=given.exception
    )
    return answer


async def close(session: WriteSession, actor: Actor, given: ClosureIn) -> ClosureOut:
    """Days without shifts: cancels what is there, and patterns that come later leave the days out. Closures of a line
    don't overlap (409)."""
    await _begin(session, given.line)
    closure = ShiftClosure(
        id=new_id(),
        line_id=given.line,
        first_day=given.first_day,
        last_day=given.last_day,
        reason=given.reason,
    )
    session.add(closure)
    await session.flush()
    cancelled = await repository.cancel_days(session, given.line, given.first_day, given.last_day, given.reason)
    for shift in cancelled:
        await _outdate(session, given.line, shift.starts_at, shift.ends_at)
    new = {**given.model_dump(), "cancelled": [shift.id for shift in cancelled]}
    ref = RecordRef("shift_closure", closure.id)
    await audit.record(session, actor, "shifts:close", ref, new=new, reason=given.reason)
    return ClosureOut(id=closure.id, cancelled=len(cancelled))


async def page(
    session: ReadSession,
    line_id: str,
    start: datetime,
    end: datetime,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Page[ShiftOut]:
    await lines_service.known(session, line_id)
    rows = await repository.page(session, line_id, start, end, after, limit + 1)
    return page_of(rows, limit, ShiftOut.model_validate, lambda row: (row.starts_at, row.id))


async def shift(session: ReadSession, shift_id: str) -> ShiftOut:
    row = await repository.shift(session, shift_id)
    if row is None:
        raise _unknown(shift_id)
    return ShiftOut.model_validate(row)


async def _outdate(session: WriteSession, line_id: str, start: datetime, end: datetime) -> None:
    """What was made of the calendar is made anew: OEE, and which stops were out of shift."""
    await oee_repository.outdate(session, line_id, start, end)
    await signals_repository.changed(session, line_id, start, end)


async def _begin(session: WriteSession, line_id: str) -> ZoneInfo:
    await lines_service.known(session, line_id)
    await lines_repository.lock(session, line_id)
    return ZoneInfo((await lines_repository.site(session)).timezone)


async def _changeable(session: WriteSession, shift_id: str, version: int, verb: str) -> Shift:
    present = await repository.shift(session, shift_id)
    if present is None:
        raise _unknown(shift_id)
    await lines_repository.lock(session, present.line_id)
    shift = await repository.locked(session, shift_id)
    assert shift is not None
    require(shift.version, version)
    if shift.cancelled:
        raise Denied(
            RecordRef("shift", shift_id, shift.version),
            verb,
            f"The shift {shift_id} is cancelled",
            "Add a shift of its own in its place.",
            kind="illegal-transition",
        )
    return shift


async def _stored(session: WriteSession, shift: Shift) -> ShiftOut:
    line_id = shift.line_id  # a failed flush takes the row's values away
    try:
        await session.flush()
    except IntegrityError as error:
        raise _overlap(error, line_id) from error
    return ShiftOut.model_validate(shift)


def _overlap(error: IntegrityError, line_id: str) -> Exception:
    cause = driver_error(error)
    if cause is None or cause.diag.constraint_name != repository.OVERLAP:
        return error
    title = "The shift overlaps another of the line"
    return Denied(RecordRef("line", line_id), "plan", title, cause.diag.message_detail, kind="shift-overlap")


def _unknown(shift_id: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "unknown-shift", f"There is no shift {shift_id}")
