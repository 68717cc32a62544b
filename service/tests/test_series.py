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
    heard_of = set(came)
    assert (ledger.first, ledger.last, ledger.received) == (min(came), max(came), len(came))
    assert ledger.absent == len(set(range(min(came), max(came) + 1)) - heard_of)
    assert ledger.duplicates == len(came) - len(heard_of), "each number counts once; all else came twice"
    at_first = [came.index(number) for number in heard_of]
    assert ledger.out_of_order == sum(came[index] < max(came[:index], default=-1) for index in at_first)


async def test_what_comes_before_the_first_that_was_heard_is_late(client: httpx.AsyncClient, reading: Make) -> None:
    for numbers, out_of_order, missing, duplicates in (
        ((100,), 0, 0, 0),
        ((98,), 1, 1, 0),  # 99 was sent between them, so it is missing
        ((101, 98), 1, 1, 1),
        ((99,), 2, 0, 1),
        ((97, 97), 3, 0, 2),
    ):
        body = {"source": "gw1", "readings": [reading(sequence=number) for number in numbers]}
        assert (await client.post("/api/v1/readings", json=body, headers=key())).status_code == 200
        (source,) = (await client.get("/api/v1/readings/sources")).json()["items"]
        found = (source["out_of_order"], source["missing"], source["duplicates"])
        assert found == (out_of_order, missing, duplicates), numbers
    assert (source["last"], source["received"]) == (101, 7)


def test_a_ledger_of_before_its_first_was_kept_goes_on() -> None:
    ledger = heard(Ledger(last=5, missing=((3, 4),), received=4), [1, 3, 6])
    assert (ledger.first, ledger.last, ledger.duplicates, ledger.out_of_order, ledger.absent) == (None, 6, 1, 1, 0)


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
    await floor.count("06:00", "07:00", 200, 10)
    period = floor.during("06:00", "07:00")
    await send(floor.client, *measured(reading, "press-1.energy", floor.at("06:00"), 121, 30, 0.5))
    problem = await floor.refused(409, floor.operator, "GET", "/series/energy", line=LINE, **period)
    assert gaps(floor, problem) == [("robot-1.energy", 0, 3600)]
    # from 05:59:50 on, up to 07:00:10
    await send(floor.client, *measured(reading, "robot-1.energy", floor.at("06:00") - 10 * SECOND, 182, 20, 0.25))
    found = await floor.get("/series/energy", line=LINE, **period)
    # 120 readings tell of the hour since 06:00:00, and 180 of the one since 05:59:50
    assert (found["kwh"], found["good"], found["kwh_per_good_unit"]) == (120 * 0.5 + 180 * 0.25, 200, 105 / 200)
    (row,) = await as_table(floor, "/series/energy", line=LINE, **period)
    assert row == {name: str(value) for name, value in found.items()}
    cut = floor.during("06:00", "06:30")
    problem = await floor.refused(409, floor.operator, "GET", "/series/energy", line=LINE, **cut)
    assert [error["field"] for error in problem["errors"]] == ["production_count"]


SECOND = timedelta(seconds=1)


def measured(reading: Make, sensor: str, start: datetime, count: int, seconds: int, kwh: float) -> list[dict[str, Any]]:
    return [
        {**reading(sensor, kwh, unit="kWh"), "time": iso(start + number * seconds * SECOND)} for number in range(count)
    ]


def gaps(floor: Floor, problem: dict[str, Any]) -> list[tuple[str, float, float]]:
    """Meter, and from which second of the hour on to which."""
    found = []
    for error in problem["errors"]:
        start, end = error["detail"].removeprefix("the meter told nothing good of ").split(" to ")
        seconds = [(datetime.fromisoformat(text) - floor.at("06:00")) / SECOND for text in (start, end)]
        found.append((error["field"], seconds[0], seconds[1]))
    return found


async def test_energy_that_no_meter_told_is_not_guessed(floor: Floor, reading: Make) -> None:
    """One meter is whole; the other is silent at both ends and twice between, and was set back once."""
    floor.day = (datetime.now(UTC) - timedelta(days=2)).date()
    floor.admin.execute(
        "INSERT INTO mes.sensor (name, equipment_id, measurement) VALUES"
        " ('press-1.energy', 'press-1', 'energy'), ('robot-1.energy', 'robot-1', 'energy')"
    )
    await floor.count("06:00", "07:00", 50)
    start, period = floor.at("06:00"), floor.during("06:00", "07:00")
    await send(floor.client, *measured(reading, "robot-1.energy", start, 121, 30, 0.5))
    whole = measured(reading, "press-1.energy", start, 121, 30, 1.0)
    # by the number of the half minute: the first two, six minutes in all, the last; the 80th is bad
    silent = [0, 1, *range(20, 24), 40, *range(119, 121)]
    whole[80]["quality"] = "bad"
    await send(floor.client, *(item for number, item in enumerate(whole) if number not in silent))
    problem = await floor.refused(409, floor.operator, "GET", "/series/energy", line=LINE, **period)
    assert problem["type"] == "urn:kojo:problem:energy-inputs-missing"
    assert gaps(floor, problem) == [
        ("press-1.energy", 0, 60),
        ("press-1.energy", 570, 720),
        ("press-1.energy", 1170, 1230),
        ("press-1.energy", 2370, 2400),
        ("press-1.energy", 3540, 3600),
    ]
    # what could not be sent then is sent now; what the meter forgot stays missing
    await send(floor.client, *(whole[number] for number in silent))
    problem = await floor.refused(409, floor.operator, "GET", "/series/energy", line=LINE, **period)
    assert gaps(floor, problem) == [("press-1.energy", 2370, 2400)]
    await floor.count("07:00", "07:30", 50)
    later = measured(reading, "press-1.energy", start + 3630 * SECOND, 60, 30, 1.0)
    await send(floor.client, *later, *measured(reading, "robot-1.energy", start + 3630 * SECOND, 60, 30, 0.5))
    found = await floor.get("/series/energy", line=LINE, **floor.during("07:00", "07:30"))
    assert (found["kwh"], found["kwh_per_good_unit"]) == (60 * 1.0 + 60 * 0.5, 90 / 50)


async def test_a_refusal_names_ten_gaps_of_a_meter(floor: Floor, reading: Make) -> None:
    floor.day = (datetime.now(UTC) - timedelta(days=2)).date()
    floor.admin.execute(
        "INSERT INTO mes.sensor (name, equipment_id, measurement) VALUES ('press-1.energy', 'press-1', 'energy')"
    )
    await send(floor.client, *measured(reading, "press-1.energy", floor.at("06:00"), 61, 60, 0.5))
    await floor.count("06:00", "07:00", 50)
    period = floor.during("06:00", "07:00")
    problem = await floor.refused(409, floor.operator, "GET", "/series/energy", line=LINE, **period)
    # without a pause they are one
    assert gaps(floor, problem) == [("press-1.energy", 0, 3600)]
    pairs = measured(reading, "press-1.energy", floor.at("06:00") + 30 * SECOND, 30, 120, 0.5)
    await send(floor.client, *pairs)
    problem = await floor.refused(409, floor.operator, "GET", "/series/energy", line=LINE, **period)
    assert [error["field"] for error in problem["errors"]] == ["press-1.energy"] * 11
    assert problem["errors"][10]["detail"].startswith("and 20 more gaps, up to ")
