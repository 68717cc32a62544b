"""Readings: taken in once, kept, shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from fastapi import Response
from sqlalchemy import Row

from kojo_mes.identity.service import equipment_of
from kojo_mes.kit import idempotency
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.cache import Cache
from kojo_mes.kit.database import Database, ReadSession, WriteSession
from kojo_mes.kit.metrics import READINGS
from kojo_mes.kit.problems import Fault, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.writes import Denied, Write
from kojo_mes.lines.plant import Measurement, measurement_fault
from kojo_mes.readings import repository
from kojo_mes.readings.schemas import Batch, Latest, LatestReading, Page, ReadingIn, ReadingOut, Receipt

OLDEST = timedelta(days=27)  # the month before is always there to hold it (migration 0002)
CLOCK_TOLERANCE = timedelta(seconds=60)
LATE = timedelta(seconds=60)
LONGEST_RANGE = timedelta(days=31)
CACHE_KEY, CACHE_MILLISECONDS = "latest", 500


async def take_in(write: Write, batch: Batch) -> Response:
    """A receipt. All readings are stored, or none."""
    refuse_impossible_times(batch.readings, datetime.now(UTC))
    receipt: Receipt | None = None

    async def work(session: WriteSession) -> Receipt:
        nonlocal receipt
        accepted = await repository.store(session, await _staged(session, write.actor, batch.readings), LATE)
        received = len(batch.readings)
        receipt = Receipt(received=received, accepted=accepted, duplicates=received - accepted)
        return receipt

    # a gateway whose batch is still being stored waits for its answer: there is nothing else that it could do
    response = await write.run(work, patient=True)
    if receipt and "Idempotency-Replayed" not in response.headers:
        READINGS.labels("accepted").inc(receipt.accepted)
        READINGS.labels("duplicate").inc(receipt.duplicates)
    return response


def refuse_impossible_times(readings: list[ReadingIn], now: datetime) -> None:
    faults = [
        Fault(place="body", index=index, field="time", detail=detail)
        for index, reading in enumerate(readings)
        if (detail := _time_fault(reading.time, now))
    ]
    if faults:
        raise invalid(faults)


def _time_fault(time: datetime, now: datetime) -> str | None:
    if time > now + CLOCK_TOLERANCE:
        return f"is in the future; the sender's clock may be ahead by {CLOCK_TOLERANCE.seconds} s at most"
    if time < now - OLDEST:
        return f"is older than {OLDEST.days} days"
    return None


async def _staged(session: ReadSession, actor: Actor, readings: list[ReadingIn]) -> Iterator[repository.Staged]:
    known = {row.name: row for row in await repository.sensors(session, {reading.sensor for reading in readings})}
    unknown = [
        Fault(place="body", index=index, field="sensor", detail=f"{reading.sensor} is not a sensor of this plant")
        for index, reading in enumerate(readings)
        if reading.sensor not in known
    ]
    if unknown:
        raise Denied(
            RecordRef("sensor", ", ".join(sorted({readings[fault.index or 0].sensor for fault in unknown}))[:1000]),
            "send readings",
            "A sensor is not known",
            "Nothing was stored. GET /api/v1/lines lists the plant's sensors.",
            status=HTTPStatus.FORBIDDEN,
            kind="unknown-sensor",
            errors=unknown,
        )
    await _refuse_foreign(session, actor, [known[reading.sensor] for reading in readings])
    impossible = [
        Fault(place="body", index=index, field="value", detail=detail)
        for index, reading in enumerate(readings)
        if (detail := measurement_fault(Measurement(known[reading.sensor].measurement), reading.value))
    ]
    if impossible:
        raise invalid(impossible)
    return (
        repository.Staged(known[reading.sensor].id, reading.time, reading.value, reading.quality.value)
        for reading in readings
    )


async def _refuse_foreign(session: ReadSession, actor: Actor, sensors: list[Row[tuple[int, str, str, str]]]) -> None:
    """A device speaks for its own equipment alone."""
    bound = await equipment_of(session, actor)
    if bound is None:
        return
    foreign = [
        Fault(place="body", index=index, field="sensor", detail=f"{sensor.name} is not a sensor of {actor.name}")
        for index, sensor in enumerate(sensors)
        if sensor.equipment_id not in bound
    ]
    if foreign:
        raise Denied(
            RecordRef("sensor", ", ".join(sorted({sensors[fault.index or 0].name for fault in foreign}))[:1000]),
            "send readings",
            "A sensor belongs to other equipment than the device",
            "Nothing was stored.",
            status=HTTPStatus.FORBIDDEN,
            kind="foreign-sensor",
            errors=foreign,
        )


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
        items = [ReadingOut.model_validate(row) for row in rows[:limit]]
        return Page(items=items, next=items[-1].time if len(rows) > limit else None)

    return await database.read(work)


async def housekeeping(database: Database) -> None:
    """Partitions for the months ahead, and keys that no sender can need any more."""
    await database.write(repository.make_partitions_ahead, repeatable=True)

    await database.write(idempotency.forget, repeatable=True)
