"""What `kojo-mes gateway` exports."""

from __future__ import annotations

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from kojo_mes.kit.database import ReadSession
from kojo_mes.readings import repository


async def collect(session: ReadSession) -> list[Metric]:
    counters = {
        "received": CounterMetricFamily("iot_sensor_data_received", "Readings received of a line", labels=["line"]),
        "duplicates": CounterMetricFamily("iot_sensor_data_duplicates", "Of them, already known", labels=["line"]),
        "late": CounterMetricFamily("iot_sensor_data_late", "Of them, a minute old or more", labels=["line"]),
        "bad": CounterMetricFamily("iot_sensor_data_bad_quality", "Of them, of bad quality", labels=["line"]),
    }
    age = GaugeMetricFamily(
        "iot_last_reading_age_seconds", "Since the line's last reading came; absent before the first", labels=["line"]
    )
    for row in await repository.totals(session):
        for name, counter in counters.items():
            counter.add_metric([row.line], float(getattr(row, name)))
        if row.age is not None:
            age.add_metric([row.line], float(row.age))
    return [*counters.values(), age]
