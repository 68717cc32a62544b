"""Checks: measured or counted, judged by specification and chart; what they signal is held in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from kojo_mes.characteristics import repository as characteristics
from kojo_mes.characteristics.models import Characteristic, Specification
from kojo_mes.characteristics.schemas import CharacteristicKind
from kojo_mes.characteristics.service import effective
from kojo_mes.gauges.models import Calibration
from kojo_mes.gauges.service import calibrated, relied_on
from kojo_mes.kit import audit, late_entries
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.writes import Denied
from kojo_mes.nonconformance import repository as nonconformances
from kojo_mes.nonconformance.schemas import Place
from kojo_mes.nonconformance.service import open_for_signals
from kojo_mes.quality import repository
from kojo_mes.quality.charts import ChartKind
from kojo_mes.quality.judgement import SPECIFICATION_RULE, judge
from kojo_mes.quality.models import ControlChart, ControlLimits, QualityCheck
from kojo_mes.quality.repository import CheckFilter
from kojo_mes.quality.rules import LONGEST_SPAN
from kojo_mes.quality.schemas import CheckDetail, CheckIn, CheckOut, CheckReceipt

RECORD = "quality-check"
COUNTED = ("sample_size", "nonconforming")
MEASURED = ("values", "gauge")


async def record(session: WriteSession, actor: Actor, given: CheckIn) -> CheckReceipt:
    moment, line_known = await repository.arrival(session, given.line)
    # from here on the next check of the characteristic waits
    subject = await _subject(session, given, line_known=line_known)
    chart, limits = await repository.chart_of(session, given.characteristic, given.line)
    faults = _faults(CharacteristicKind(subject.kind), chart, given)
    faults += late_entries.faults(session, moment, given.measured_at, given.late_entry_reason, field="measured_at")
    if faults:
        raise invalid(faults)
    specification = await effective(session, given.characteristic, given.measured_at)
    calibration = await _calibration(session, given, specification, moment)
    values = {
        "id": new_id(),
        "characteristic_id": subject.id,
        "kind": subject.kind,
        "product_id": subject.product_id,
        "line_id": given.line,
        "lot_id": given.lot,
        "serial": given.serial,
        "specification_version": specification.version,
        "effective_from": specification.effective_from,
        "chart_id": chart.id if chart else None,
        "limits_version": limits.version if limits else None,
        "measured_at": given.measured_at,
        "late_entry_reason": given.late_entry_reason,
        "recorded_by": actor.id,
        **_gauge_columns(calibration),
        **_result(specification, given),
    }
    row = await repository.add(session, values)
    repository.count(session, given.line, passed=row.conforming)
    check = CheckOut.model_validate(row)
    ref = RecordRef(RECORD, row.id)
    reason = given.late_entry_reason
    await audit.record(session, actor, "quality:record-check", ref, new=check.model_dump(), reason=reason)
    told = await _told(session, chart, limits, row)
    opened = await _hold(session, actor, told)
    return CheckReceipt(
        **check.model_dump(),
        signals=sorted(rule for found, rule in told if found.id == row.id),
        nonconformance=opened.get(row.id),
    )


async def read(session: ReadSession, check: str) -> CheckDetail:
    row = await repository.find(session, check)
    if row is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-check", f"There is no check {check}")
    signals = [signal.rule for signal in await nonconformances.signals_of(session, [check])]
    return CheckDetail(**CheckOut.model_validate(row).model_dump(), signals=signals)


async def page(
    session: ReadSession, wanted: CheckFilter, affected_by: str | None, after: str | None, limit: int
) -> Page[CheckOut]:
    """`affected_by`: a gauge; those of its checks that rely on the last good calibration before it was found out of
    tolerance (ISO 9001 7.1.5.2)."""
    if affected_by is not None:
        calibration = await relied_on(session, affected_by)
        if calibration is None:
            return Page(items=[])
        wanted = CheckFilter(**{**vars(wanted), "calibration": calibration})
    rows = await repository.page(session, wanted, after, limit + 1)
    return page_of(rows, limit, CheckOut.model_validate, lambda row: (row.id,))


async def _subject(session: WriteSession, given: CheckIn, *, line_known: bool) -> Characteristic:
    """Locked: checks of a characteristic are judged one after the other."""
    subject = await characteristics.lock(session, given.characteristic)
    faults = []
    if subject is None:
        faults.append(_fault("characteristic", f"{given.characteristic} is not a characteristic of this plant"))
    if not line_known:
        faults.append(_fault("line", f"{given.line} is not a line of this plant"))
    if subject is None or faults:
        raise invalid(faults)
    if subject.retired_at is not None:
        ref = RecordRef("characteristic", subject.id, subject.version)
        raise Denied(ref, "check", f"{subject.id} is retired since {subject.retired_at.isoformat()}", kind="retired")
    return subject


def _faults(kind: CharacteristicKind, chart: ControlChart | None, given: CheckIn) -> list[Fault]:
    needed, needless = (MEASURED, COUNTED) if kind is CharacteristicKind.VARIABLE else (COUNTED, MEASURED)
    faults = [_fault(name, f"is needed of a {kind} characteristic") for name in needed if getattr(given, name) is None]
    faults += [
        _fault(name, f"is not of {kind} characteristics") for name in needless if getattr(given, name) is not None
    ]
    if given.sample_size is not None and given.nonconforming is not None and given.nonconforming > given.sample_size:
        faults.append(_fault("nonconforming", "is more than sample_size"))
    charted = chart is not None and chart.kind != ChartKind.P
    if chart is not None and charted and given.values is not None and len(given.values) != chart.subgroup_size:
        faults.append(_fault("values", f"are {len(given.values)}; the chart {chart.id} takes {chart.subgroup_size}"))
    return faults


async def _calibration(
    session: ReadSession, given: CheckIn, specification: Specification, moment: datetime
) -> Calibration | None:
    """That the measurement relies on. The gauge is good now as well: else an earlier time would get round the end of
    its calibration. One that has ended since is good again once the gauge was calibrated and found in tolerance."""
    if given.gauge is None:
        return None
    calibration = await calibrated(session, given.gauge, specification.unit, given.measured_at)
    await calibrated(session, given.gauge, specification.unit, moment)
    return calibration


def _result(specification: Specification, given: CheckIn) -> dict[str, Any]:
    if given.values is None:
        assert given.nonconforming is not None
        assert specification.acceptance_number is not None
        accepted = given.nonconforming <= specification.acceptance_number
        return {"sample_size": given.sample_size, "nonconforming": given.nonconforming, "conforming": accepted}
    lower, upper = specification.lower_limit, specification.upper_limit
    outside = sum(
        (lower is not None and value < lower) or (upper is not None and value > upper) for value in given.values
    )
    return {
        "values": given.values,
        "sample_size": len(given.values),
        "nonconforming": outside,
        "conforming": outside == 0,
    }


def _gauge_columns(calibration: Calibration | None) -> dict[str, Any]:
    if calibration is None:
        return {}
    return {
        "gauge_id": calibration.gauge_id,
        "calibration_id": calibration.id,
        "calibration_valid": calibration.valid,
    }


async def _told(
    session: ReadSession, chart: ControlChart | None, limits: ControlLimits | None, row: QualityCheck
) -> Sequence[tuple[QualityCheck, str]]:
    """New signals: of this check, and of later ones that a check recorded late brings to light."""
    told = [] if row.conforming else [(row, SPECIFICATION_RULE)]
    if chart is None or limits is None:
        return told
    before, after = await repository.neighbours(session, row, LONGEST_SPAN, LONGEST_SPAN - 1)
    later = [check.id for check in after]  # none, mostly
    signals = await nonconformances.signals_of(session, later) if later else ()
    known = {(signal.check_id, signal.rule) for signal in signals}
    found = judge(chart, limits, [*before, row, *after], len(before))
    return told + [(check, rule) for check, rule in found if (check.id, rule) not in known]


async def _hold(session: WriteSession, actor: Actor, told: Sequence[tuple[QualityCheck, str]]) -> dict[str, str]:
    """Nonconformances by the checks that belong to them."""
    opened = {}
    for check in {found.id: found for found, _ in told}.values():
        place = Place(line=check.line_id, product=check.product_id, lot=check.lot_id, serial=check.serial)
        signals = [(found.id, rule) for found, rule in told if found.id == check.id]
        opened[check.id] = await open_for_signals(session, actor, place, check.characteristic_id, signals)
    return opened


def _fault(field: str, detail: str) -> Fault:
    return Fault(place="body", field=field, detail=detail)
