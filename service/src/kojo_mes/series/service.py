"""Series of readings: fewer than there are, how complete, and what energy a good unit took."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from math import ceil

from kojo_mes.kit.database import ReadSession
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.line_states.timeline import Interval
from kojo_mes.lines import service as lines_service
from kojo_mes.lines.plant import UNITS, Measurement
from kojo_mes.oee import repository as oee_repository
from kojo_mes.readings import repository as readings_repository
from kojo_mes.series import repository
from kojo_mes.series.schemas import Bucket, Completeness, Downsampled, Energy, SensorCompleteness
from kojo_mes.signals.statuses import HOLD

MOST_BUCKETS = 10_000
MOST_GAPS = 10  # of one meter, that a refusal names each
MINUTE = timedelta(minutes=1)
NO_GUESS = "Nothing is guessed: send what the meters measured then, or ask for another time."


async def downsampled(session: ReadSession, sensor: str, start: datetime, end: datetime, seconds: int) -> Downsampled:
    """422 when that would be too many buckets, 404 for an unknown sensor."""
    if (end - start).total_seconds() / seconds > MOST_BUCKETS:
        detail = f"makes more than {MOST_BUCKETS} buckets of this time; ask for longer ones"
        raise invalid([Fault(place="query", field="seconds", detail=detail)])
    known = await readings_repository.sensors(session, [sensor])
    if not known:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-sensor", f"{sensor} is not a sensor of this plant")
    rows = await repository.downsampled(session, known[0].id, start, end, seconds)
    return Downsampled(
        sensor=sensor,
        unit=UNITS[Measurement(known[0].measurement)],
        seconds=seconds,
        items=[Bucket.model_validate(row) for row in rows],
    )


async def completeness(session: ReadSession, shift_id: str) -> Completeness:
    """Of a shift, or of what of it is past: the share of its minutes in which a sensor sent a reading that isn't bad.

    Minutes, because sensors send at intervals of their own, and each of them more often than once a minute. 404 for a
    shift that isn't in the calendar, 409 for one that has not begun.
    """
    shift = await oee_repository.shift(session, shift_id)
    if shift is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-shift", f"The calendar has no shift {shift_id}")
    end = min(shift.ends_at, datetime.now(UTC))
    if end <= shift.starts_at:
        raise Problem(HTTPStatus.CONFLICT, "shift-not-begun", "The shift has not begun")
    minutes = ceil((end - shift.starts_at) / MINUTE)
    sensors = [
        SensorCompleteness(sensor=row.sensor, minutes=row.minutes, completeness=row.minutes / minutes)
        for row in await repository.completeness(session, shift.line_id, shift.starts_at, end)
    ]
    return Completeness(
        shift=shift_id,
        line=shift.line_id,
        minutes=minutes,
        completeness=sum(item.completeness for item in sensors) / len(sensors) if sensors else 0.0,
        sensors=sensors,
    )


async def energy(session: ReadSession, line_id: str, start: datetime, end: datetime) -> Energy:
    """409 that names what is missing: a meter, any of the time that it should tell of, good units, or a count that
    reaches over the time."""
    await lines_service.known(session, line_id)
    meters = await repository.meters(session, line_id, start, end, HOLD)
    counts = await repository.good(session, line_id, start, end)
    missing = [fault for meter in meters for fault in _gaps(meter.sensor, meter.gaps)]
    missing += [
        Fault(
            place="data",
            field="production_count",
            detail=f"a count reaches over the time's boundary: {count.from_time.isoformat()} to "
            f"{count.to_time.isoformat()}",
        )
        for count in counts
        if not count.whole
    ]
    if not meters:
        missing.append(Fault(place="data", field="energy", detail="none of the line's equipment has a meter"))
    good = sum(count.good for count in counts)
    if not good:
        missing.append(Fault(place="data", field="production_count", detail="no good unit was counted"))
    if missing:
        raise Problem(
            HTTPStatus.CONFLICT, "energy-inputs-missing", "The figure's inputs are missing", NO_GUESS, missing
        )
    kwh = sum(meter.kwh or 0.0 for meter in meters)
    return Energy(
        line=line_id,
        start=start,
        end=end,
        kwh=kwh,
        good=good,
        kwh_per_good_unit=kwh / good,
    )


def _gaps(sensor: str, gaps: Sequence[Interval]) -> list[Fault]:
    """Of a meter, each by itself up to MOST_GAPS, the others as a number."""
    detail = "the meter told nothing good of {} to {}"
    named = [detail.format(gap.start.isoformat(), gap.end.isoformat()) for gap in gaps[:MOST_GAPS]]
    if len(gaps) > MOST_GAPS:
        named.append(f"and {len(gaps) - MOST_GAPS} more gaps, up to {gaps[-1].end.isoformat()}")
    return [Fault(place="data", field=sensor, detail=each) for each in named]
