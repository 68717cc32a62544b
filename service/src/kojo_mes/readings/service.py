"""Readings: taken in once, kept, shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fastapi import Response

from kojo_mes.identity.service import device_of, scope_of
from kojo_mes.kit import idempotency, pages
from kojo_mes.kit.cache import Cache
from kojo_mes.kit.database import Database, ReadSession, WriteSession
from kojo_mes.kit.metrics import READINGS
from kojo_mes.kit.problems import Fault, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.writes import Write
from kojo_mes.readings import refusals, repository, sequences
from kojo_mes.readings.clocks import clock_of
from kojo_mes.readings.schemas import (
    Batch,
    DeviceCounts,
    Latest,
    LatestReading,
    Page,
    PartialReceipt,
    Receipt,
    SourceOut,
    StoredReading,
    Unreadable,
)

LATE = timedelta(seconds=60)
LONGEST_RANGE = timedelta(days=31)
CACHE_KEY, CACHE_MILLISECONDS = "latest", 500


async def take_in(write: Write, batch: Batch, *, partial: bool) -> Response:
    """A receipt. All readings are stored, or none; with `partial` the good ones, and the others are listed."""
    receipt: Receipt | None = None

    async def work(session: WriteSession) -> Receipt:
        nonlocal receipt
        device = await device_of(session, write.actor)
        clock = clock_of(device, session.info["settings"])
        readable, unreadable = refusals.readable(batch.readings, clock, datetime.now(UTC))
        if unreadable and not partial:
            raise invalid(unreadable)
        scope = scope_of(session, write.actor, device)
        checked = await refusals.checked(session, write.actor, scope, readable)
        if checked.faults:
            if not partial:
                raise checked.problem()
            await checked.leave_on_record(session, write.actor)
        await _keep_sequence(session, write.actor, batch)
        accepted = await repository.store(session, write.actor, checked.staged, LATE) if checked.staged else 0
        received, duplicates = len(batch.readings), len(checked.staged) - accepted
        receipt = Receipt(received=received, accepted=accepted, duplicates=duplicates)
        if partial:
            refused = sorted([*unreadable, *checked.faults], key=lambda fault: fault.index or 0)
            receipt = PartialReceipt(**receipt.model_dump(), refused=refused)
        return receipt

    # a gateway whose batch is still being stored waits for its answer: there is nothing else that it could do
    response = await write.run(work, patient=True)
    if receipt and "Idempotency-Replayed" not in response.headers:
        READINGS.labels("accepted").inc(receipt.accepted)
        READINGS.labels("duplicate").inc(receipt.duplicates)
    return response


async def _keep_sequence(session: WriteSession, actor: Actor, batch: Batch) -> None:
    """Of all readings that came, the refused ones too: they aren't missing."""
    numbers = [
        reading.sequence
        for reading in batch.readings
        if not isinstance(reading, Unreadable) and reading.sequence is not None
    ]
    if batch.source is None or not numbers:
        return
    ledger = await repository.ledger(session, actor.id, batch.source)
    await repository.keep_ledger(session, actor.id, batch.source, sequences.heard(ledger, numbers))


async def sources(session: ReadSession, after: tuple[datetime, str, str] | None, limit: int) -> pages.Page[SourceOut]:
    rows = await repository.sources(session, after, limit + 1)
    return pages.page_of(
        rows, limit, SourceOut.model_validate, lambda row: (row.last_received_at, row.actor, row.source)
    )


async def devices(session: ReadSession, after: str | None, limit: int) -> pages.Page[DeviceCounts]:
    rows = await repository.by_device(session, after, limit + 1)
    return pages.page_of(rows, limit, DeviceCounts.model_validate, lambda row: (row.id,))


async def latest(database: Database, cache: Cache) -> Latest:
    """At most half a second old. However many look, the database is asked twice a second."""
    if (cached := await cache.get(CACHE_KEY)) is not None:
        return Latest.model_validate_json(cached)
    rows = await database.read(repository.latest)
    answer = Latest(items=[LatestReading.model_validate(row) for row in rows])
    await cache.put(CACHE_KEY, answer.model_dump_json().encode(), CACHE_MILLISECONDS)
    return answer


async def page(
    database: Database, sensor: str, start: datetime, end: datetime, after: datetime | None, limit: int
) -> Page:
    if not timedelta(0) < end - start <= LONGEST_RANGE:
        detail = f"is to be later than `from`, by {LONGEST_RANGE.days} days at most"
        raise invalid([Fault(place="query", field="to", detail=detail)])

    async def work(session: ReadSession) -> Page:
        rows = await repository.page(session, sensor, start, end, after, limit + 1)
        items = [StoredReading.model_validate(row) for row in rows[:limit]]
        return Page(items=items, next=items[-1].time if len(rows) > limit else None)

    return await database.read(work)


async def housekeeping(database: Database) -> None:
    """Partitions for the months ahead, and keys that no sender can need any more."""
    await database.write(repository.make_partitions_ahead, repeatable=True)

    await database.write(idempotency.forget, repeatable=True)
