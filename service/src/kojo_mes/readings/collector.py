"""What `kojo-mes gateway` exports."""

from __future__ import annotations

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from kojo_mes.kit.database import ReadSession
from kojo_mes.readings import repository

MOST_DEVICES = 10_000  # that are shown; a plant has far fewer


async def collect(session: ReadSession) -> list[Metric]:
    counters = {
        "received": CounterMetricFamily("iot_sensor_data_received", "Readings received of a line", labels=["line"]),
        "duplicates": CounterMetricFamily("iot_sensor_data_duplicates", "Of them, already known", labels=["line"]),
        "late": CounterMetricFamily("iot_sensor_data_late", "Of them, a minute old or more", labels=["line"]),
        "bad": CounterMetricFamily("iot_sensor_data_bad_quality", "Of them, of bad quality", labels=["line"]),
        "out_of_limits": CounterMetricFamily(
            "iot_sensor_data_out_of_limits", "Of them, beyond their sensor's limits", labels=["line"]
        ),
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
    return [*counters.values(), age, *sequence, *await _of_devices(session)]


async def _of_devices(session: ReadSession) -> list[Metric]:
    """Labelled by names that an administrator gave: a sender can't make up another."""
    families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {
        "received": CounterMetricFamily("iot_device_data_received", "Readings received of a device", labels=["device"]),
        "duplicates": CounterMetricFamily("iot_device_data_duplicates", "Of them, already known", labels=["device"]),
        "late": CounterMetricFamily("iot_device_data_late", "Of them, a minute old or more", labels=["device"]),
        "skewed": CounterMetricFamily(
            "iot_device_data_skewed", "Of them, beyond what is allowed of the device's clock", labels=["device"]
        ),
        "bad": CounterMetricFamily("iot_device_data_bad_quality", "Of them, of bad quality", labels=["device"]),
        "out_of_limits": CounterMetricFamily(
            "iot_device_data_out_of_limits", "Of them, beyond their sensor's limits", labels=["device"]
        ),
        "sequence_missing": GaugeMetricFamily(
            "iot_device_sequence_missing", "A device's sequence numbers that were skipped", labels=["device"]
        ),
        "sequence_duplicates": CounterMetricFamily(
            "iot_device_sequence_duplicates", "A device's sequence numbers that had come before", labels=["device"]
        ),
        "out_of_order": CounterMetricFamily(
            "iot_device_sequence_out_of_order", "A device's sequence numbers after a higher one", labels=["device"]
        ),
    }
    for row in await repository.by_device(session, None, MOST_DEVICES):
        for name, family in families.items():
            family.add_metric([row.name], float(getattr(row, name)))
    return list(families.values())
