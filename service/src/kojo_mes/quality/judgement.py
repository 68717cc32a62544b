"""What a chart's limits and rules say of its checks."""

from __future__ import annotations

from collections.abc import Sequence

from kojo_mes.quality.charts import Basis, ChartKind, Point, Sample, plot
from kojo_mes.quality.models import ControlChart, ControlLimits, QualityCheck
from kojo_mes.quality.rules import RuleSet, signals

RANGE_RULE = "range-beyond-limits"
SPECIFICATION_RULE = "specification"


def sample(check: QualityCheck) -> Sample:
    return Sample(tuple(check.values), check.sample_size, check.nonconforming)


def basis(chart: ControlChart, limits: ControlLimits) -> Basis:
    return Basis(ChartKind(chart.kind), limits.centre, limits.mean_range, chart.subgroup_size)


def points(chart: ControlChart, limits: ControlLimits, checks: Sequence[QualityCheck]) -> list[Point]:
    return plot(basis(chart, limits), [sample(check) for check in checks])


def judge(
    chart: ControlChart, limits: ControlLimits, checks: Sequence[QualityCheck], first: int
) -> list[tuple[QualityCheck, str]]:
    """Signals of checks from the index `first` on; those before it only lead there."""
    plotted = points(chart, limits, checks)
    told = [
        (checks[signal.index], signal.rule)
        for signal in signals(RuleSet(chart.rule_set), [point.z for point in plotted])
        if signal.index >= first
    ]
    ranges = [
        (check, RANGE_RULE) for check, point in list(zip(checks, plotted, strict=True))[first:] if point.range_is_beyond
    ]
    return told + ranges
