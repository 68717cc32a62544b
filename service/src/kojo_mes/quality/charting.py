"""Control charts: defined, given limits by a recorded decision, shown; capability of what they show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from kojo_mes.characteristics import repository as characteristics
from kojo_mes.characteristics.schemas import CharacteristicKind
from kojo_mes.characteristics.service import effective
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.clock import now
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.writes import Denied
from kojo_mes.nonconformance import repository as nonconformances
from kojo_mes.quality import repository
from kojo_mes.quality.capability import capability
from kojo_mes.quality.charts import LARGEST_SUBGROUP, ChartKind, Point, basis_of, ranges, statistic
from kojo_mes.quality.judgement import points, sample
from kojo_mes.quality.models import ControlChart, QualityCheck
from kojo_mes.quality.rules import RULES
from kojo_mes.quality.schemas import (
    BaselineIn,
    CapabilityOut,
    ChartData,
    ChartIn,
    ChartOut,
    IndicesOut,
    LimitLines,
    LimitsIn,
    LimitsOut,
    PlottedPoint,
    RuleOut,
    Rules,
)

CHART, LIMITS = "control-chart", "control-limits"
LARGEST_BASELINE = 1000
SIZES = {ChartKind.XBAR_R: (2, LARGEST_SUBGROUP), ChartKind.INDIVIDUALS: (1, 1)}


async def define(session: WriteSession, actor: Actor, wanted: ChartIn) -> ChartOut:
    subject = await characteristics.lock(session, wanted.characteristic)
    faults = []
    if subject is None:
        faults.append(_fault("characteristic", f"{wanted.characteristic} is not a characteristic of this plant"))
    elif (wanted.kind is ChartKind.P) != (subject.kind == CharacteristicKind.ATTRIBUTE):
        faults.append(_fault("kind", f"{wanted.kind} is not for {subject.kind} characteristics"))
    if not await nonconformances.line_exists(session, wanted.line):
        faults.append(_fault("line", f"{wanted.line} is not a line of this plant"))
    fewest, most = SIZES.get(wanted.kind, (1, wanted.subgroup_size))
    if not fewest <= wanted.subgroup_size <= most:
        faults.append(_fault("subgroup_size", f"is from {fewest} to {most} of {wanted.kind}"))
    if subject is None or faults:
        raise invalid(faults)
    values = {
        **wanted.model_dump(exclude={"characteristic", "line"}),
        "characteristic_id": wanted.characteristic,
        "characteristic_kind": subject.kind,
        "line_id": wanted.line,
    }
    row = await repository.add_chart(session, values)
    if row is None:
        title = f"There is a chart {wanted.id} already, or another of {wanted.characteristic} on {wanted.line}"
        raise Denied(RecordRef(CHART, wanted.id), "define", title, kind="id-taken")
    chart = ChartOut.model_validate(row)
    await audit.record(session, actor, "quality:define-chart", RecordRef(CHART, chart.id), new=chart.model_dump())
    return chart


async def freeze(session: WriteSession, actor: Actor, chart_id: str, wanted: LimitsIn) -> LimitsOut:
    """Limits by decision. Checks that are recorded from now on are judged by them, as a series of their own."""
    chart = _known(await repository.chart(session, chart_id), chart_id)
    await characteristics.lock(session, chart.characteristic_id)
    values = await _from_baseline(session, chart, wanted.baseline) if wanted.baseline else _as_decided(chart, wanted)
    row = await repository.add_limits(session, chart_id, {**values, "reason": wanted.reason, "decided_by": actor.id})
    limits = LimitsOut.model_validate(row)
    ref = RecordRef(LIMITS, chart_id, limits.version)
    await audit.record(session, actor, "quality:freeze-limits", ref, new=limits.model_dump(), reason=wanted.reason)
    return limits


async def page(session: ReadSession, line: str | None, after: str | None, limit: int) -> Page[ChartOut]:
    rows = await repository.charts(session, line, after, limit + 1)
    return page_of(rows, limit, ChartOut.model_validate, lambda row: (row.id,))


async def data(
    session: ReadSession,
    chart_id: str,
    start: datetime | None,
    end: datetime | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> ChartData:
    """`before`: time and id of the oldest check of the page before."""
    chart = _known(await repository.chart(session, chart_id), chart_id)
    kind = ChartKind(chart.kind)
    checks = await repository.latest_of_chart(session, chart_id, start, end, limit + 1, before)
    shown = checks[-limit:]
    limits = {row.version: row for row in await repository.limits(session, chart_id)}
    plotted: dict[str, PlottedPoint] = {}
    signals = await _signals(session, shown)
    for version in sorted({check.limits_version for check in checks}, key=lambda version: version or 0):
        series = [check for check in checks if check.limits_version == version]
        if kind is ChartKind.INDIVIDUALS and series[0] in shown:  # its moving range is from the one before
            earlier, _ = await repository.neighbours(session, series[0], 1, 0)
            series = [*earlier, *series]
        found: Sequence[Point | None] = points(chart, limits[version], series) if version else [None] * len(series)
        spreads = ranges(kind, [sample(check) for check in series])
        for check, point, spread in zip(series, found, spreads, strict=True):
            plotted[check.id] = _plotted(chart, check, point, spread, signals.get(check.id, []))
    specification = await characteristics.effective(session, chart.characteristic_id)
    latest_first = page_of(
        checks[::-1], limit, lambda check: plotted[check.id], lambda check: (check.measured_at, check.id)
    )
    return ChartData(
        chart=ChartOut.model_validate(chart),
        unit=specification.unit if specification else None,
        limits=[LimitsOut.model_validate(row) for row in limits.values()],
        points=latest_first.items[::-1],
        next=latest_first.next,
    )


async def capability_of(
    session: ReadSession, chart_id: str, start: datetime | None, end: datetime | None
) -> CapabilityOut:
    """Of the last 1000 checks of a time, by the specification effective at its end. 409 names what it lacks."""
    chart = _known(await repository.chart(session, chart_id), chart_id)
    kind = ChartKind(chart.kind)
    if kind is ChartKind.P:
        raise _incapable("A p chart has no capability: there are no measured values")
    checks = await repository.latest_of_chart(session, chart_id, start, end, LARGEST_BASELINE)
    moment = min(end, await now(session)) if end else await now(session)
    specification = await effective(session, chart.characteristic_id, moment)
    lower, upper = specification.lower_limit, specification.upper_limit
    values = [value for check in checks for value in check.values]
    try:
        within = basis_of(kind, [sample(check) for check in checks], chart.subgroup_size).sigma
        found = capability(values, within, lower, upper)
    except ValueError as error:
        raise _incapable(f"This time {error}") from error
    assert specification.unit is not None
    return CapabilityOut(
        chart=chart_id,
        specification_version=specification.version,
        unit=specification.unit,
        lower_limit=lower,
        upper_limit=upper,
        checks=len(checks),
        values=len(values),
        mean=found.mean,
        sigma_within=found.sigma_within,
        sigma_overall=found.sigma_overall,
        capability=IndicesOut.model_validate(found.within),
        performance=IndicesOut.model_validate(found.overall),
        signals=sum(len(rules) for rules in (await _signals(session, checks)).values()),
        judged=all(check.limits_version is not None for check in checks),
    )


def rules() -> Rules:
    return Rules(
        items=[
            RuleOut(rule_set=rule_set, name=rule.name, text=rule.text, source=rule.source)
            for rule_set, members in RULES.items()
            for rule in members
        ]
    )


async def _from_baseline(session: ReadSession, chart: ControlChart, baseline: BaselineIn) -> dict[str, Any]:
    if baseline.end <= baseline.start:
        raise invalid([_fault("to", "is to be later than `from`")])
    checks = await repository.latest_of_chart(session, chart.id, baseline.start, baseline.end, LARGEST_BASELINE + 1)
    if len(checks) > LARGEST_BASELINE:
        raise invalid([_fault("baseline", f"has more than {LARGEST_BASELINE} checks; choose a shorter time")])
    excluded = {item.check for item in baseline.excluded}
    if strangers := excluded - {check.id for check in checks}:
        raise invalid([_fault("excluded", f"{', '.join(sorted(strangers))}: no check of the baseline")])
    samples = [sample(check) for check in checks if check.id not in excluded]
    try:
        found = basis_of(ChartKind(chart.kind), samples, chart.subgroup_size)
    except ValueError as error:
        raise invalid([_fault("baseline", str(error))]) from error
    return {
        "centre": found.centre,
        "mean_range": found.mean_range,
        "baseline_name": baseline.name,
        "baseline_from": baseline.start,
        "baseline_to": baseline.end,
        "baseline_checks": len(samples),
        "excluded": [item.model_dump() for item in baseline.excluded],
    }


def _as_decided(chart: ControlChart, wanted: LimitsIn) -> dict[str, Any]:
    assert wanted.centre is not None
    if chart.kind == ChartKind.P:
        if wanted.mean_range is not None:
            raise invalid([_fault("mean_range", "is not of p charts")])
        if not 0 < wanted.centre < 1:
            raise invalid([_fault("centre", "is a proportion, more than 0 and less than 1")])
    elif wanted.mean_range is None:
        raise invalid([_fault("mean_range", "is needed")])
    return {"centre": wanted.centre, "mean_range": wanted.mean_range, "excluded": []}


def _plotted(
    chart: ControlChart, check: QualityCheck, point: Point | None, spread: float | None, rules: list[str]
) -> PlottedPoint:
    return PlottedPoint(
        check=check.id,
        measured_at=check.measured_at,
        value=statistic(ChartKind(chart.kind), sample(check)),
        limits=LimitLines.model_validate(point.limits) if point else None,
        range=spread,
        range_limits=LimitLines.model_validate(point.range_limits) if point and point.range_limits else None,
        limits_version=check.limits_version,
        signals=rules,
    )


async def _signals(session: ReadSession, checks: Sequence[QualityCheck]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for signal in await nonconformances.signals_of(session, [check.id for check in checks]):
        found.setdefault(signal.check_id, []).append(signal.rule)
    return found


def _known(row: ControlChart | None, chart_id: str) -> ControlChart:
    if row is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-chart", f"There is no chart {chart_id}")
    return row


def _incapable(title: str) -> Problem:
    return Problem(HTTPStatus.CONFLICT, "no-capability", title)


def _fault(field: str, detail: str) -> Fault:
    return Fault(place="body", field=field, detail=detail)
