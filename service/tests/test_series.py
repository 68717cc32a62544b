"""What the readings gained: partial batches, units, sequence numbers, series, completeness, energy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from conftest import key, send
from floor import LINE, Floor, floor, iso
from hypothesis import given
from hypothesis import strategies as st
from test_exporters import scrape
from test_tables import rows

from kojo_mes.kit.ids import new_id
from kojo_mes.kit.settings import ExporterSettings
from kojo_mes.readings.sequences import MOST_GAPS, Ledger, heard

__all__ = ["floor"]
Make = Callable[..., dict[str, Any]]


async def send_partly(client: httpx.AsyncClient, *readings: Any, **headers: str) -> httpx.Response:
    body = {"readings": readings}
    return await client.post("/api/v1/readings", json=body, params={"partial": "true"}, headers=headers or key())


async def test_a_partial_batch_stores_the_good_and_lists_the_bad(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection
) -> None:
    batch = [
        reading(),
        reading(value="hot"),
        reading("press-9.temperature"),
        reading("press-1.status", 7),
        reading(unit="kWh"),
        "nothing",
        {**reading(), "time": "2199-01-01T00:00:00Z"},
        reading("press-1.status", 1, unit="1"),
    ]
    answer = await send_partly(client, *batch)
    receipt = answer.json()
    assert (receipt["received"], receipt["accepted"], receipt["duplicates"]) == (8, 2, 0)
    assert [(fault["index"], fault["field"]) for fault in receipt["refused"]] == [
        (1, "value"),
        (2, "sensor"),
        (3, "value"),
        (4, "unit"),
        (5, "readings"),
        (6, "time"),
    ]
    assert admin.execute("SELECT count(*) FROM mes.reading").fetchone() == (2,)
    denied = admin.execute("SELECT record_id FROM mes.audit_event WHERE action = 'denied'").fetchall()
    assert denied == [("press-9.temperature",)]


async def test_a_partial_batch_of_bad_readings_alone_stores_nothing(client: httpx.AsyncClient, reading: Make) -> None:
    headers = key()
    batch = [reading(value="hot")]
    first = await send_partly(client, *batch, **headers)
    assert (first.status_code, first.json()["accepted"], len(first.json()["refused"])) == (200, 0, 1)
    assert (await send_partly(client, *batch, **headers)).headers["Idempotency-Replayed"] == "true"


async def test_another_unit_than_the_sensors_refuses_the_batch(client: httpx.AsyncClient, reading: Make) -> None:
    answer = await send(client, reading(unit="°C"), reading("press-1.good_count", 1, unit="°C"))
    assert answer.status_code == 422
    assert [(fault["index"], fault["field"]) for fault in answer.json()["errors"]] == [(1, "unit")]
    assert (await send(client, reading(unit="furlong"))).status_code == 422


async def test_sequence_numbers_of_a_source_are_kept(
    client: httpx.AsyncClient, reading: Make, exporter_settings: ExporterSettings
) -> None:
    for numbers in ((1, 2, 5), (4, 4), (9,)):
        readings = [reading(sequence=number) for number in numbers]
        body = {"source": "gw1", "readings": readings}
        assert (await client.post("/api/v1/readings", json=body, headers=key())).status_code == 200
    (source,) = (await client.get("/api/v1/readings/sources")).json()["items"]
    assert source.pop("last_received_at")
    assert source == {
        "actor": "device",
        "source": "gw1",
        "last": 9,
        "received": 6,
        "duplicates": 1,
        "out_of_order": 1,
        "missing": 4,
    }
    samples = await scrape(exporter_settings, "gateway")
    assert samples["iot_sequence_missing", ()] == 4
    assert samples["iot_sequence_duplicates_total", ()] == 1
    assert samples["iot_sequence_out_of_order_total", ()] == 1


@given(st.lists(st.lists(st.integers(0, 40), max_size=20), max_size=5))
def test_a_ledger_says_what_a_set_of_all_numbers_says(batches: list[list[int]]) -> None:
    ledger = Ledger()
    for batch in batches:
        ledger = heard(ledger, batch)
    came = [number for batch in batches for number in batch]
    if not came:
        assert ledger == Ledger()
        return
    since = {number for number in came if number >= came[0]}
    assert (ledger.last, ledger.received) == (max(came), len(came))
    assert ledger.absent == len(set(range(came[0], max(came) + 1)) - since)
    assert ledger.duplicates == len(came) - len(since), "each number counts once; all else came twice or too late"
    before = [max(came[:index], default=-1) for index in range(len(came))]
    assert ledger.out_of_order == len(
        {number for number, highest in zip(came, before, strict=True) if came[0] <= number < highest}
        - {number for number, highest in zip(came, before, strict=True) if number > highest}
    )


def test_a_ledger_stays_small() -> None:
    ledger = heard(Ledger(), range(0, 4 * MOST_GAPS, 2))
    assert len(ledger.missing) == MOST_GAPS
    assert ledger.absent == 2 * MOST_GAPS - 1


async def test_a_downsampled_series_is_the_means_of_its_buckets(client: httpx.AsyncClient, reading: Make) -> None:
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10)
    readings = [
        {**reading(value=float(number)), "time": iso(start + timedelta(seconds=10 * number))} for number in range(12)
    ]
    bad = {**reading(value=999.0, quality="bad"), "time": iso(start + timedelta(seconds=5))}
    await send(client, *readings, bad)
    query = {"sensor": "press-1.temperature", "from": iso(start), "to": iso(start + timedelta(minutes=5))}
    series = (await client.get("/api/v1/series/downsampled", params=query)).json()
    assert (series["unit"], series["seconds"]) == ("°C", 60)
    assert [
        (item["count"], item["bad"], item["mean"], item["minimum"], item["maximum"]) for item in series["items"]
    ] == [(6, 1, 2.5, 0.0, 5.0), (6, 0, 8.5, 6.0, 11.0)]
    many = query | {"seconds": "1", "from": iso(start - timedelta(days=1))}
    answer = await client.get("/api/v1/series/downsampled", params=many)
    assert answer.json()["errors"][0]["field"] == "seconds"
    assert (await client.get("/api/v1/series/downsampled", params=query | {"sensor": "x.y"})).status_code == 404


async def as_table(floor: Floor, path: str, **query: str) -> list[dict[str, str]]:
    headers = floor.operator.headers(floor.app)
    return rows(await floor.client.get(f"/api/v1{path}", params=query | {"format": "csv"}, headers=headers))


async def test_completeness_is_the_share_of_minutes_with_a_reading(floor: Floor, reading: Make) -> None:
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=2)
    times = {"starts_at": iso(start), "ends_at": iso(start + timedelta(hours=1))}
    body = {"line": LINE, "name": "early", "exception": "test", **times}
    shift = await floor.done(floor.leader, "POST", "/shifts", body)
    await send(
        floor.client,
        *({**reading(), "time": iso(start + timedelta(minutes=minute, seconds=7))} for minute in range(45)),
        *({**reading(), "time": iso(start + timedelta(minutes=minute, seconds=37))} for minute in range(45)),
        {**reading("press-1.status", 1, quality="bad"), "time": iso(start)},
    )
    found = await floor.get(f"/series/completeness/{shift['id']}")
    shares = {item["sensor"]: (item["minutes"], item["completeness"]) for item in found["sensors"]}
    assert found["minutes"] == 60
    assert shares["press-1.temperature"] == (45, 0.75)
    assert shares["press-1.status"] == (0, 0)
    assert len(shares) == 12
    assert found["completeness"] == pytest.approx(0.75 / 12)
    table = await as_table(floor, f"/series/completeness/{shift['id']}")
    assert {row["sensor"]: row["minutes"] for row in table}["press-1.temperature"] == "45"
    assert len(table) == 12
    await floor.refused(404, floor.operator, "GET", f"/series/completeness/{new_id()}")


async def test_energy_of_a_good_unit(floor: Floor, reading: Make) -> None:
    floor.day = (datetime.now(UTC) - timedelta(days=2)).date()
    period = floor.during("06:00", "14:00")
    problem = await floor.refused(409, floor.operator, "GET", "/series/energy", line=LINE, **period)
    assert [error["field"] for error in problem["errors"]] == ["energy", "production_count"]
    floor.admin.execute(
        "INSERT INTO mes.sensor (name, equipment_id, measurement) VALUES"
        " ('press-1.energy', 'press-1', 'energy'), ('robot-1.energy', 'robot-1', 'energy')"
    )
    await floor.count("06:00", "14:00", 200, 10)
    readings = [
        {**reading("press-1.energy", 1.5, unit="kWh"), "time": iso(floor.at(f"{hour:02}:30"))} for hour in range(6, 15)
    ]
    await send(floor.client, *readings)
    problem = await floor.refused(409, floor.operator, "GET", "/series/energy", line=LINE, **period)
    assert [error["field"] for error in problem["errors"]] == ["robot-1.energy"]
    await send(floor.client, {**reading("robot-1.energy", 8), "time": iso(floor.at("13:59"))})
    found = await floor.get("/series/energy", line=LINE, **period)
    assert (found["kwh"], found["good"], found["kwh_per_good_unit"]) == (20, 200, 0.1)
    assert found["completeness"] == pytest.approx(1 / 480)  # of 480 minutes robot-1's meter sent in one
    (row,) = await as_table(floor, "/series/energy", line=LINE, **period)
    assert row == {name: str(value) for name, value in found.items()}
    cut = floor.during("06:00", "13:00")
    problem = await floor.refused(409, floor.operator, "GET", "/series/energy", line=LINE, **cut)
    assert "production_count" in {error["field"] for error in problem["errors"]}
