"""What `kojo-mes quality` exports."""

from __future__ import annotations

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from kojo_mes.kit.database import ReadSession
from kojo_mes.nonconformance import repository as nonconformances
from kojo_mes.quality import repository


async def collect(session: ReadSession) -> list[Metric]:
    passed = CounterMetricFamily("quality_check_passed", "Checks that were passed", labels=["line"])
    failed = CounterMetricFamily("quality_check_failed", "Checks that were failed", labels=["line"])
    # the plant's alerts know the same figure by another name than its dashboard
    failures = CounterMetricFamily("quality_check_failures", "Checks that were failed", labels=["line"])
    for row in await repository.totals(session):
        passed.add_metric([row.line], float(row.passed))
        for family in (failed, failures):
            family.add_metric([row.line], float(row.failed))
    holds = GaugeMetricFamily("quality_holds_active", "Holds that are not released", labels=["line"])
    unclosed = GaugeMetricFamily("quality_nonconformances_unclosed", "Nonconformances not closed", labels=["line"])
    for row in await nonconformances.totals(session):
        holds.add_metric([row.line], float(row.holds))
        unclosed.add_metric([row.line], float(row.nonconformances))
    return [passed, failed, failures, holds, unclosed]
