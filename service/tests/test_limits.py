"""Limits of sensors by the plant's page, and what is kept of where a reading came from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import servers
from conftest import PLANT_FILE, environment, fields, send
from psycopg import errors
from test_exporters import scrape
from trail import forget

from kojo_mes.kit.settings import ExporterSettings, MigrationSettings
from kojo_mes.lines.plant import Plant, PlantError, read_plant
from kojo_mes.migrate import migrate

Make = Callable[..., dict[str, Any]]
SENSOR = "press-1.temperature"
LIMITS = b"SELECT name, low, high FROM mes.sensor WHERE low IS NOT NULL OR high IS NOT NULL ORDER BY name"


def limited(plant: Plant, **limits: dict[str, float]) -> Plant:
    page = plant.model_dump(mode="json")
    page["lines"][0]["equipment"][0]["limits"] = limits
    return Plant.model_validate(page)


async def readings_of(client: httpx.AsyncClient, sensor: str = SENSOR) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    times = {"from": (now - timedelta(hours=1)).isoformat(), "to": (now + timedelta(hours=1)).isoformat()}
    answer = await client.get("/api/v1/readings", params={"sensor": sensor, **times})
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_value_beyond_its_limits_is_stored_as_it_came_as_uncertain_and_counted(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection, exporter_settings: ExporterSettings
) -> None:
    admin.execute("UPDATE mes.sensor SET low = 5, high = 95 WHERE name = %s", (SENSOR,))
    admin.execute("UPDATE mes.sensor SET high = 50 WHERE name = 'robot-1.temperature'")
    batch = [reading(value=value) for value in (4.999, 5, 61.5, 95, 95.001)]
    batch += [reading(value=200, quality="bad"), reading(value=50, quality="uncertain")]
    batch += [reading("robot-1.temperature", -200), reading("robot-1.temperature", 51)]
    assert (await send(client, *batch)).json()["accepted"] == 9
    stored = [(item["value"], item["quality"]) for item in await readings_of(client)]
    assert stored == [
        (4.999, "uncertain"),
        (5, "good"),
        (61.5, "good"),
        (95, "good"),
        (95.001, "uncertain"),
        (200, "bad"),
        (50, "uncertain"),
    ]
    assert [item["quality"] for item in await readings_of(client, "robot-1.temperature")] == ["good", "uncertain"]
    samples = await scrape(exporter_settings, "gateway")
    assert samples["iot_sensor_data_out_of_limits_total", ("line-1",)] == 4
    assert samples["iot_device_data_out_of_limits_total", ("key device",)] == 4
    press = (await client.get("/api/v1/lines")).json()["items"][0]["equipment"][0]
    (sensor,) = [item for item in press["sensors"] if item["name"] == SENSOR]
    assert (sensor["low"], sensor["high"]) == (5, 95)


def test_the_pages_limits_come_change_and_go_on_record(
    postgres: servers.Postgres, empty_database: str, plant: Plant
) -> None:
    owner = MigrationSettings(**fields(environment(postgres, empty_database)))
    migrate(owner, limited(plant, temperature={"low": 5, "high": 95}))
    with postgres.connect(empty_database) as connection:
        assert connection.execute(LIMITS).fetchall() == [(SENSOR, 5, 95)]
        forget(connection)
        changed = limited(plant, temperature={"high": 90}, quality_failed={"high": 10})
        assert migrate(owner, changed)
        assert migrate(owner, changed) == []
        assert connection.execute(LIMITS).fetchall() == [("press-1.quality_failed", None, 10), (SENSOR, None, 90)]
        told = connection.execute(
            "SELECT old, new FROM mes.audit_event JOIN mes.sensor ON sensor.id::text = record_id"
            " WHERE record_type = 'sensor' AND sensor.name = %s",
            (SENSOR,),
        ).fetchall()
        assert told == [({"low": 5.0, "high": 95.0}, {"low": None, "high": 90.0})]
        migrate(owner, plant)
        assert connection.execute(LIMITS).fetchall() == []
        for wrong in ("low = 5, high = 5", "low = 'NaN'", "high = 'Infinity'", "low = '-Infinity'"):
            with pytest.raises(errors.CheckViolation):
                connection.execute(f"UPDATE mes.sensor SET {wrong}".encode())  # noqa: S608


@pytest.mark.parametrize(
    ("limits", "detail"),
    [
        ('{"temperature": {"low": 95, "high": 5}}', "low (95) is to be below high (5)"),
        ('{"energy": {"high": 5}}', "limits of what press-1 doesn't measure: energy"),
        ('{"temperature": {"high": NaN}}', "Input should be a finite number"),
    ],
)
def test_limits_that_cannot_be_are_named(tmp_path: Path, limits: str, detail: str) -> None:
    page = tmp_path / "plant.json"
    first = '"type": "press", "temperature_limit": 80.0'
    page.write_text(PLANT_FILE.read_text().replace(first, f'{first}, "limits": {limits}'))
    with pytest.raises(PlantError) as caught:
        read_plant(page)
    (fault,) = caught.value.faults
    assert fault.startswith(f"{page}: lines.0.equipment.0")
    assert detail in fault


async def test_a_reading_tells_when_it_came_from_whom_and_with_which_others(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection
) -> None:
    before = datetime.now(UTC)
    first = [reading(), reading()]
    await send(client, *first)
    await send(client, *first, reading())
    items = await readings_of(client)
    assert [(item["sender"], item["sender_name"]) for item in items] == [("device", "device")] * 3
    one, same, other = (item["batch"] for item in items)
    assert one == same != other, "a duplicate stays with the batch that it came with first"
    assert all(before <= datetime.fromisoformat(item["received_at"]) <= datetime.now(UTC) for item in items)
    (latest,) = (await client.get("/api/v1/readings/latest")).json()["items"]
    assert (latest["time"], latest["received_at"]) == (items[-1]["time"], items[-1]["received_at"])
    assert admin.execute("SELECT count(*) FROM mes.reading_sender").fetchone() == (1,)


async def test_no_reading_comes_without_its_origin_and_no_sender_is_another_later(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection
) -> None:
    await send(client, reading())
    anonymous = (
        "INSERT INTO mes.reading (sensor_id, time, value, quality, received_at)"
        " SELECT id, now(), 1, 'good', now() FROM mes.sensor WHERE name = 'press-1.temperature'"
    )
    with pytest.raises(errors.CheckViolation):
        admin.execute(anonymous)
    for change in ("UPDATE mes.reading_sender SET name = 'x'", "DELETE FROM mes.reading_sender"):
        with pytest.raises(errors.InsufficientPrivilege):
            admin.execute(change.encode())
    admin.execute("ALTER TABLE mes.reading DROP CONSTRAINT reading_origin")
    admin.execute(anonymous)
    assert [item["batch"] is None for item in await readings_of(client)] == [False, True], "one from before"
