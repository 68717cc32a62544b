"""Holds: what is held is neither consumed nor shipped."""

from __future__ import annotations

from http import HTTPStatus

from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.clock import now
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Problem
from kojo_mes.kit.security import Actor
from kojo_mes.kit.versions import require
from kojo_mes.kit.writes import Denied
from kojo_mes.nonconformance import repository
from kojo_mes.nonconformance.models import Hold, Nonconformance
from kojo_mes.nonconformance.places import columns, refuse_unknown
from kojo_mes.nonconformance.schemas import HoldIn, HoldOut
from kojo_mes.nonconformance.states import FINAL, UNDECIDED

TYPE = "hold"


async def place(session: WriteSession, actor: Actor, wanted: HoldIn) -> HoldOut:
    """By a person, without a nonconformance: a warning is enough."""
    await refuse_unknown(session, wanted)
    return await _place(session, actor, {**columns(wanted), "reason": wanted.reason})


async def place_for(session: WriteSession, actor: Actor, row: Nonconformance, reason: str) -> HoldOut:
    values = {name: getattr(row, name) for name in ("line_id", "product_id", "lot_id", "serial")}
    return await _place(session, actor, {**values, "nonconformance_id": row.id, "reason": reason})


async def release(session: WriteSession, actor: Actor, hold: str, version: int, reason: str) -> HoldOut:
    """409 while its nonconformance has no disposition, and for good when the lot or serial was scrapped or returned."""
    # the nonconformance first, as everywhere: two ways round would lock each other out
    seen = _known(await repository.find_hold(session, hold), hold)
    subject = await repository.lock(session, seen.nonconformance_id) if seen.nonconformance_id else None
    row = _known(await repository.lock_hold(session, hold), hold)
    require(row.version, version)
    ref = RecordRef(TYPE, hold, row.version)
    if row.released_at is not None:
        raise Denied(ref, "release", f"The hold {hold} is released already", kind="illegal-transition")
    if subject is not None and subject.state in UNDECIDED:
        detail = f"Its nonconformance {subject.id} is {subject.state}."
        raise Denied(ref, "release", "What is held has no disposition", detail, kind="undecided")
    if subject is not None and stays_held(subject):
        raise Denied(ref, "release", f"What is held is for {subject.disposition}", kind="stays-held")
    values = {"released_by": actor.id, "released_at": await now(session), "release_reason": reason}
    old = HoldOut.model_validate(row).model_dump()
    released = HoldOut.model_validate(await repository.release_hold(session, row, values))
    ref = RecordRef(TYPE, hold, released.version)
    await audit.record(session, actor, "holds:release", ref, old=old, new=released.model_dump(), reason=reason)
    return released


def stays_held(row: Nonconformance) -> bool:
    """A lot or serial that was scrapped or returned. A line that made scrap may go on, though."""
    return row.disposition in FINAL and (row.lot_id is not None or row.serial is not None)


async def read(session: ReadSession, hold: str) -> HoldOut:
    return HoldOut.model_validate(_known(await repository.find_hold(session, hold), hold))


async def page(
    session: ReadSession, active: bool | None, line: str | None, lot: str | None, after: str | None, limit: int
) -> Page[HoldOut]:
    rows = await repository.holds(session, active, line, lot, after, limit + 1)
    return page_of(rows, limit, HoldOut.model_validate, lambda row: (row.id,))


async def _place(session: WriteSession, actor: Actor, values: dict[str, object]) -> HoldOut:
    row = await repository.add_hold(session, {"id": new_id(), "placed_by": actor.id, **values})
    hold = HoldOut.model_validate(row)
    await audit.record(session, actor, "holds:place", RecordRef(TYPE, hold.id, hold.version), new=hold.model_dump())
    return hold


def _known(row: Hold | None, hold: str) -> Hold:
    if row is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-hold", f"There is no hold {hold}")
    return row
