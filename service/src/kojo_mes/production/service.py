"""Production counts: each time of a line and product is counted once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus

from kojo_mes.kit import audit, late_entries
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.clock import now
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.sources import RECORD
from kojo_mes.kit.versions import require
from kojo_mes.kit.writes import Denied
from kojo_mes.lines import repository as lines_repository
from kojo_mes.lines import service as lines_service
from kojo_mes.lines.devices import require_own_line
from kojo_mes.oee import repository as oee_repository
from kojo_mes.production import repository
from kojo_mes.production.models import ProductionCount
from kojo_mes.production.schemas import Correction, CountIn, CountOut, CountReceipt
from kojo_mes.products import repository as products_repository

Key = tuple[str, datetime, datetime, int, int, int]


async def take_in(session: WriteSession, actor: Actor, line_id: str, counts: list[CountIn]) -> CountReceipt:
    """All or none. The same count again is a duplicate, which is told; another one of the same time is refused: 409
    when the other one is stored, 422 when both are in the batch."""
    await lines_service.known(session, line_id)
    await require_own_line(session, actor, line_id, "count")
    moment = await now(session)
    await _refuse_impossible(session, counts, moment)
    _refuse_overlaps(counts)
    await lines_repository.lock(session, line_id)
    start, end = min(count.from_time for count in counts), max(count.to_time for count in counts)
    new = _new(counts, await repository.touching(session, line_id, start, end))
    _refuse_late(session, counts, new, moment)
    if new:
        rows = [_row(line_id, actor, count) for count in new]
        await repository.add(session, rows)
        await oee_repository.outdate(session, line_id, start, end)
        await audit.record(session, actor, "production:count", RecordRef("line", line_id), new={"counts": rows})
    return CountReceipt(received=len(counts), accepted=len(new), duplicates=len(counts) - len(new))


async def correct(
    session: WriteSession, actor: Actor, line_id: str, count_id: str, version: int, given: Correction
) -> CountOut:
    """Other quantities of the same time, and why. The audit keeps those before."""
    await lines_repository.lock(session, line_id)
    count = await repository.locked(session, line_id, count_id)
    if count is None:
        raise _unknown(count_id)
    require(count.version, version)
    old = CountOut.model_validate(count).model_dump()
    count.good, count.scrap, count.rework = given.good, given.scrap, given.rework
    count.version, count.source = version + 1, RECORD
    await session.flush()
    await oee_repository.outdate(session, line_id, count.from_time, count.to_time)
    answer = CountOut.model_validate(count)
    ref = RecordRef("production_count", count_id, answer.version)
    await audit.record(session, actor, "production:correct", ref, old=old, new=answer.model_dump(), reason=given.reason)
    return answer


async def page(
    session: ReadSession,
    line_id: str,
    start: datetime,
    end: datetime,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Page[CountOut]:
    await lines_service.known(session, line_id)
    rows = await repository.page(session, line_id, start, end, after, limit + 1)
    return page_of(rows, limit, CountOut.model_validate, lambda row: (row.from_time, row.id))


async def count(session: ReadSession, line_id: str, count_id: str) -> CountOut:
    row = await repository.count(session, line_id, count_id)
    if row is None:
        raise _unknown(count_id)
    return CountOut.model_validate(row)


async def _refuse_impossible(session: ReadSession, counts: list[CountIn], moment: datetime) -> None:
    products = await products_repository.existing(session, {count.product for count in counts})
    faults = [
        Fault(place="body", index=index, field="to", detail="is in the future")
        for index, count in enumerate(counts)
        if count.to_time > moment + late_entries.CLOCK_TOLERANCE
    ]
    faults += [
        Fault(place="body", index=index, field="product", detail=f"{count.product} is not a product")
        for index, count in enumerate(counts)
        if count.product not in products
    ]
    if faults:
        raise invalid(faults)


def _refuse_late(session: ReadSession, counts: list[CountIn], new: list[CountIn], moment: datetime) -> None:
    """New ones: the repetition of a stored count is told as a duplicate, however old it is."""
    keys = {_key(count) for count in new}
    faults = [
        fault
        for index, count in enumerate(counts)
        if _key(count) in keys
        for fault in late_entries.faults(
            session, moment, count.to_time, count.late_entry_reason, field="to", index=index
        )
    ]
    if faults:
        raise invalid(faults)


def _refuse_overlaps(counts: list[CountIn]) -> None:
    """Two counts of the batch that overlap and aren't the same."""
    order = sorted(range(len(counts)), key=lambda index: (counts[index].product, counts[index].from_time))
    faults = []
    reach: CountIn | None = None
    for index in order:
        count = counts[index]
        if reach is not None and reach.product == count.product and count.from_time < reach.to_time:
            if _key(reach) != _key(count):
                detail = "overlaps another count of the product in this batch"
                faults.append(Fault(place="body", index=index, field="from", detail=detail))
            continue
        reach = count
    if faults:
        raise invalid(faults)


def _new(counts: list[CountIn], stored: Sequence[ProductionCount]) -> list[CountIn]:
    """Those that are not stored, each once. 409 for one that contradicts what is stored."""
    known: set[Key] = set()
    by_product: dict[str, list[ProductionCount]] = {}
    for row in stored:
        known.add((row.product_id, row.from_time, row.to_time, row.good, row.scrap, row.rework))
        by_product.setdefault(row.product_id, []).append(row)
    new: dict[Key, CountIn] = {}
    for index, count in enumerate(counts):
        if _key(count) in known:
            continue
        other = next(
            (
                row
                for row in by_product.get(count.product, [])
                if row.from_time < count.to_time and row.to_time > count.from_time
            ),
            None,
        )
        if other is not None:
            detail = f"overlaps the count {other.id} of {other.from_time.isoformat()} to {other.to_time.isoformat()}"
            raise Denied(
                RecordRef("production_count", other.id, other.version),
                f"{count.good} good, {count.scrap} scrap, {count.rework} rework",
                "This time of the line and product is counted already",
                "Nothing was stored. Correct the stored count if it is wrong.",
                kind="counted-already",
                errors=[Fault(place="body", index=index, field="from", detail=detail)],
            )
        new[_key(count)] = count
    return list(new.values())


def _key(count: CountIn) -> Key:
    return count.product, count.from_time, count.to_time, count.good, count.scrap, count.rework


def _row(line_id: str, actor: Actor, count: CountIn) -> dict[str, object]:
    return {
        "id": new_id(),
        "line_id": line_id,
        "product_id": count.product,
        **count.model_dump(exclude={"product"}),
        "recorded_by": actor.id,
        "version": 1,
    }


def _unknown(count_id: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "unknown-count", f"The line has no count {count_id}")
