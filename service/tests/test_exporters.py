"""The figures of line monitor, quality and gateway, from readings that the test wrote itself."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from conftest import fields, key
from prometheus_client.parser import text_string_to_metric_families
from servers import START_SECONDS

from kojo_mes.cli import EXPORTERS
from kojo_mes.kit.exporter import create_exporter
from kojo_mes.kit.settings import ExporterSettings
from kojo_mes.lines.service import efficiency, health, running

Samples = dict[tuple[str, tuple[str, ...]], float]


async def scrape(settings: ExporterSettings, process: str, patience: float = START_SECONDS) -> Samples:
    """After the first reading of the database."""
    exporter = EXPORTERS[process]
    app = create_exporter(settings, exporter.collect, exporter.path)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        end = time.monotonic() + patience
        while True:
            text = (await client.get(exporter.path)).text
            families = text_string_to_metric_families(text)
            samples = {(s.name, tuple(sorted(s.labels.values()))): s.value for f in families for s in f.samples}
            if samples["kojo_mes_collector_up", ()] or time.monotonic() > end:
                return samples
            await asyncio.sleep(0.05)


AGES = (122, 112, 102, 92, 27, 22, 17, 12, 7, 2)  # s; what is older than 60 s is late


async def play(client: httpx.AsyncClient) -> datetime:
    """Line-1 at a third of its ideal pace, line-2 is silent; returns when the ages were true."""
    now = datetime.now(UTC)
    readings: list[dict[str, Any]] = []
    for step, age in enumerate(AGES):
        moment = (now - timedelta(seconds=age)).isoformat()
        for name, value in {
            "press-1.status": 1,
            "press-1.temperature": 60.0,
            "press-1.good_count": 1,
            "press-1.reject_count": 0,
            "robot-1.status": 1 if step else 0,
            "robot-1.temperature": 72.0,
            "robot-1.good_count": 1.0 if step % 4 else 2.0,
            "robot-1.reject_count": 1 if step == 5 else 0,
            "robot-1.quality_passed": 9,
            "robot-1.quality_failed": 1,
        }.items():
            readings.append({"sensor": name, "time": moment, "value": value})
    answer = await client.post("/api/v1/readings", json={"readings": readings}, headers=key())
    assert answer.status_code == 200, answer.text
    return now


def since(moment: datetime) -> float:
    return (datetime.now(UTC) - moment).total_seconds()


async def test_line_monitor(client: httpx.AsyncClient, exporter_settings: ExporterSettings) -> None:
    played = await play(client)
    samples = await scrape(exporter_settings, "line-monitor")
    assert samples["production_line_status", ("line-1",)] == 1
    assert ("production_line_status", ("line-2",)) not in samples
    assert ("production_efficiency_percentage", ("line-2",)) not in samples
    # after the first reading the outlet made 11 good units: 11 × 4 s of 122 s, and of what the test took
    efficiency = samples["production_efficiency_percentage", ("line-1",)]
    assert 4400 / (122 + since(played)) <= efficiency <= 4400 / 122
    assert samples["equipment_temperature_celsius", ("line-1", "robot-1")] == 72
    assert samples["equipment_temperature_limit_celsius", ("line-2", "packer-1")] == 60
    assert samples["equipment_health_score", ("line-1", "press-1")] == 100
    # robot-1: half of the headroom, 9 of 10 readings running, 13 of 14 units good
    assert samples["equipment_health_score", ("line-1", "robot-1")] == pytest.approx(20 + 27 + 30 * 13 / 14)


async def test_quality(client: httpx.AsyncClient, exporter_settings: ExporterSettings) -> None:
    await play(client)
    samples = await scrape(exporter_settings, "quality")
    assert samples["quality_check_passed_total", ("line-1",)] == 90
    assert samples["quality_check_failed_total", ("line-1",)] == 10
    assert samples["quality_check_failures_total", ("line-1",)] == 10
    assert samples["quality_check_passed_total", ("line-2",)] == 0


async def test_gateway(client: httpx.AsyncClient, exporter_settings: ExporterSettings) -> None:
    played = await play(client)
    samples = await scrape(exporter_settings, "gateway")
    assert samples["iot_sensor_data_received_total", ("line-1",)] == 100
    assert samples["iot_sensor_data_late_total", ("line-1",)] == 40
    assert samples["iot_sensor_data_received_total", ("line-2",)] == 0
    assert 0 <= samples["iot_last_reading_age_seconds", ("line-1",)] <= since(played)
    assert ("iot_last_reading_age_seconds", ("line-2",)) not in samples


async def test_figures_vanish_with_the_database(variables: dict[str, str]) -> None:
    nowhere = ExporterSettings(**fields(variables | {"KOJO_MES_DATABASE_HOSTS": "127.0.0.1:1"}), refresh_interval=0.2)
    samples = await scrape(nowhere, "gateway", patience=1)
    assert samples["kojo_mes_collector_up", ()] == 0
    assert not any(name.startswith("iot_") for name, _ in samples)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [([1, 1], True), ([1, 0], False), ([0, None], False), ([1, None], None), ([], None)],
)
def test_a_line_runs_when_all_of_it_does(statuses: list[float | None], expected: bool | None) -> None:
    assert running(statuses) is expected


def test_efficiency_refuses_too_short_a_time() -> None:
    assert efficiency(2, 4.0, 9.9) is None
    assert efficiency(2, 4.0, 10) == 80


@pytest.mark.parametrize(
    ("temperature", "share", "good", "rejected", "expected"),
    [
        (20, 1, 5, 0, 100),
        (80, 1, 5, 0, 60),
        (95, 0, 0, 5, 0),
        (72, 0.5, 1, 1, 50),
        (20, 1, 0, 0, 100),
        (None, 1, 5, 0, None),
        (20, None, 5, 0, None),
    ],
)
def test_health_score(
    temperature: float | None, share: float | None, good: float, rejected: float, expected: float | None
) -> None:
    score = health(temperature, 80, share, good, rejected)
    assert score == (None if expected is None else pytest.approx(expected))


async def test_the_apis_own_counter_tells_outcomes(client: httpx.AsyncClient) -> None:
    before = (await client.get("/metrics")).text
    await play(client)
    after = (await client.get("/metrics")).text
    assert counted(after) - counted(before) == 100


def counted(text: str) -> float:
    families = text_string_to_metric_families(text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "manufacturing_readings_total" and sample.labels["outcome"] == "accepted"
    )
