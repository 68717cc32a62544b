"""What `kojo-mes line-monitor` exports."""

from __future__ import annotations

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from kojo_mes.kit.database import ReadSession
from kojo_mes.lines import service
from kojo_mes.shifts import repository as shifts_repository
from kojo_mes.signals import repository as signals_repository


async def collect(session: ReadSession) -> list[Metric]:
    lines, equipment = await service.states(session)
    status = GaugeMetricFamily("production_line_status", "1 running, 0 down; absent when not known", labels=["line"])
    efficiency = GaugeMetricFamily(
        "production_efficiency_percentage",
        "Good units times ideal cycle time, of the last 10 minutes' time",
        labels=["line"],
    )
    scheduled = GaugeMetricFamily(
        "production_line_scheduled",
        "1: the line has a shift now, 0: none; absent when its calendar doesn't speak of now",
        labels=["line"],
    )
    for calendar in await shifts_repository.calendars(session):
        if calendar.known:
            scheduled.add_metric([calendar.line], float(calendar.working))
    for line in lines:
        if line.running is not None:
            status.add_metric([line.id], float(line.running))
        if line.efficiency is not None:
            efficiency.add_metric([line.id], line.efficiency)
    temperature = GaugeMetricFamily("equipment_temperature_celsius", "Latest temperature", labels=["line", "equipment"])
    limit = GaugeMetricFamily(
        "equipment_temperature_limit_celsius", "The equipment's own limit", labels=["line", "equipment"]
    )
    health = GaugeMetricFamily(
        "equipment_health_score",
        "0 to 100: 40 thermal headroom, 30 share of time running, 30 share of good units",
        labels=["line", "equipment"],
    )
    for item in equipment:
        labels = [item.line, item.id]
        limit.add_metric(labels, item.temperature_limit)
        if item.temperature is not None:
            temperature.add_metric(labels, item.temperature)
        if item.health is not None:
            health.add_metric(labels, item.health)
    lag = GaugeMetricFamily(
        "production_signals_lag_seconds",
        "Since the oldest reading came of which states and counts are not derived; 0: none waits",
        labels=["line"],
    )
    for line_id, seconds in (await signals_repository.lag(session)).items():
        lag.add_metric([line_id], seconds)
    return [status, scheduled, efficiency, temperature, limit, health, lag]
