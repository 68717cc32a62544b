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
    disorder = await repository.disorder(session)
    sequence = [
        GaugeMetricFamily("iot_sequence_missing", "Sequence numbers skipped and not here yet", value=disorder.missing),
        CounterMetricFamily(
            "iot_sequence_duplicates", "Sequence numbers that had come before", value=disorder.duplicates
        ),
        CounterMetricFamily(
            "iot_sequence_out_of_order", "Sequence numbers that came after a higher one", value=disorder.out_of_order
        ),
    ]
    return [*counters.values(), age, *sequence]
