"""The calibration register (ISO 9001 7.1.5.2): a gauge out of calibration measures nothing."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus

from kojo_mes.gauges import repository
from kojo_mes.gauges.models import Calibration, Gauge
from kojo_mes.gauges.schemas import (
    CalibrationIn,
    CalibrationOut,
    CalibrationReceipt,
    GaugeDetail,
    GaugeIn,
    GaugeOut,
    Tolerance,
    gauge_values,
)
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

RECORD = "gauge"


async def register(session: WriteSession, actor: Actor, wanted: GaugeIn) -> GaugeOut:
    row = await repository.add(session, gauge_values(wanted))
    if row is None:
        raise Denied(RecordRef(RECORD, wanted.id), "register", f"There is a gauge {wanted.id} already", kind="id-taken")
    gauge = GaugeOut.model_validate(row)
    await audit.record(session, actor, "gauges:register", _ref(gauge), new=gauge.model_dump())
    return gauge


async def retire(session: WriteSession, actor: Actor, gauge_id: str, version: int) -> GaugeOut:
    present = GaugeOut.model_validate(_known(await repository.lock(session, gauge_id), gauge_id))
    require(present.version, version)
    if present.retired_at is not None:
        raise Denied(_ref(present), "retire", f"The gauge {gauge_id} is retired already", kind="retired")
    gauge = GaugeOut.model_validate(await repository.retire(session, gauge_id))
    await audit.record(session, actor, "gauges:retire", _ref(gauge), old=present.model_dump(), new=gauge.model_dump())
    return gauge


async def calibrate(session: WriteSession, actor: Actor, gauge_id: str, done: CalibrationIn) -> CalibrationReceipt:
    gauge = _known(await repository.lock(session, gauge_id), gauge_id)
    valid_until = done.valid_until or done.calibrated_at + gauge.calibration_interval
    if valid_until <= done.calibrated_at:
        raise _wrong("valid_until", "is to be later than calibrated_at")
    if done.calibrated_at > await now(session):
        raise _wrong("calibrated_at", "is in the future")
    values = {**done.model_dump(), "valid_until": valid_until, "gauge_id": gauge_id, "recorded_by": actor.id}
    row = await repository.add_calibration(session, {"id": new_id(), **values})
    if row is None:
        ref = RecordRef(RECORD, gauge_id, gauge.version)
        raise Denied(ref, "calibrate", "The gauge has a calibration of that time already", kind="calibration-known")
    calibration = CalibrationOut.model_validate(row)
    await audit.record(
        session, actor, "gauges:calibrate", RecordRef("calibration", row.id), new=calibration.model_dump()
    )
    affected = 0
    if calibration.as_found is Tolerance.OUT and (relied := await repository.last_good_before(session, row)):
        affected = await repository.relying_checks(session, relied.id)
    return CalibrationReceipt(**calibration.model_dump(), affected_checks=affected)


async def read(session: ReadSession, gauge_id: str) -> GaugeDetail:
    row = _known(await repository.find(session, gauge_id), gauge_id)
    moment = await now(session)
    return GaugeDetail(
        **GaugeOut.model_validate(row).model_dump(),
        usable=_fault(row, await repository.latest(session, gauge_id, moment), moment) is None,
        calibrations=[CalibrationOut.model_validate(each) for each in await repository.calibrations(session, gauge_id)],
    )


async def page(session: ReadSession, after: str | None, limit: int) -> Page[GaugeOut]:
    rows = await repository.page(session, after, limit + 1)
    return page_of(rows, limit, GaugeOut.model_validate, lambda row: (row.id,))


async def calibrated(session: ReadSession, gauge_id: str, unit: str | None, at: datetime) -> Calibration:
    """The calibration that a measurement at that time relies on; 409 when there is no valid one, 422 for no gauge of
    that unit."""
    row = await repository.find(session, gauge_id)
    if row is None:
        raise _wrong("gauge", f"{gauge_id} is not a gauge of this plant")
    if unit is not None and row.unit != unit:
        raise _wrong("gauge", f"{gauge_id} measures in {row.unit}, the specification is in {unit}")
    calibration = await repository.latest(session, gauge_id, at)
    if fault := _fault(row, calibration, at):
        ref = RecordRef(RECORD, gauge_id, row.version)
        detail = "Measure with a calibrated gauge, or have this one calibrated."
        raise Denied(ref, "measure", f"The gauge {gauge_id} {fault}", detail, kind="gauge-out-of-calibration")
    assert calibration is not None
    return calibration


async def relied_on(session: ReadSession, gauge_id: str) -> str | None:
    """The calibration that checks relied on until the gauge was last found out of tolerance: they are affected."""
    _known(await repository.find(session, gauge_id), gauge_id)
    found_out = await repository.latest_found_out(session, gauge_id)
    good = await repository.last_good_before(session, found_out) if found_out else None
    return good.id if good else None


def _fault(gauge: Gauge, calibration: Calibration | None, at: datetime) -> str | None:
    if gauge.retired_at is not None and gauge.retired_at <= at:
        return f"is retired since {gauge.retired_at.isoformat()}"
    if calibration is None:
        return "was not calibrated yet"
    if calibration.as_left != Tolerance.IN:
        return f"was left out of tolerance on {calibration.calibrated_at.isoformat()}"
    if calibration.valid_until <= at:
        return f"is out of calibration since {calibration.valid_until.isoformat()}"
    return None


def _known(row: Gauge | None, gauge_id: str) -> Gauge:
    if row is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-gauge", f"There is no gauge {gauge_id}")
    return row


def _ref(gauge: GaugeOut) -> RecordRef:
    return RecordRef(RECORD, gauge.id, gauge.version)


def _wrong(field: str, detail: str) -> Problem:
    return invalid([Fault(place="body", field=field, detail=detail)])
