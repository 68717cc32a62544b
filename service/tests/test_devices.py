"""Devices: the lines they speak for, what their own policy makes of readings of an impossible time, what is counted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from conftest import KEYS, client_of, fields, key, send, stored
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from people import Somebody, somebody
from test_exporters import scrape

from kojo_mes.api import create_app
from kojo_mes.kit.settings import ApiSettings, ExporterSettings, SkewPolicy
from kojo_mes.readings.clocks import FARTHEST, OLDEST, Clock

Make = Callable[..., dict[str, Any]]
NOW = datetime(2026, 1, 5, 8, 30, tzinfo=UTC)
AHEAD, BEHIND = timedelta(minutes=5), timedelta(minutes=-20)  # far enough from any bound for a slow machine


@dataclass
class Press:
    """A device of press-1's, and who keeps it."""

    app: FastAPI
    client: httpx.AsyncClient
    maintenance: Somebody
    administrator: Somebody
    id: str = ""
    key: str = ""

    async def tune(self, version: int, who: Somebody | None = None, **body: Any) -> httpx.Response:
        headers = (who or self.maintenance).headers(self.app) | {"If-Match": f'"{version}"'}
        return await self.client.put(f"/api/v1/identity/devices/{self.id}/skew", json=body, headers=headers)

    async def send(self, *readings: dict[str, Any], source: str | None = None) -> httpx.Response:
        headers = key() | {"Authorization": f"Bearer {self.key}"}
        return await self.client.post(
            "/api/v1/readings", json={"source": source, "readings": readings}, headers=headers
        )


@pytest.fixture
async def press(settings: ApiSettings, admin: psycopg.Connection) -> AsyncIterator[Press]:
    app = create_app(settings)
    async with client_of(app) as client:
        press = Press(app, client, somebody(admin, "maintenance"), somebody(admin, "administrator"))
        body = {"name": "press-1-plc", "equipment": ["press-1"]}
        added = await client.post("/api/v1/identity/devices", json=body, headers=press.administrator.headers(app))
        press.id, press.key = added.json()["id"], added.json()["key"]
        yield press


def off(reading: dict[str, Any], by: timedelta) -> dict[str, Any]:
    return {**reading, "time": (datetime.now(UTC) + by).isoformat()}


def qualities(admin: psycopg.Connection) -> list[tuple[float, str]]:
    return admin.execute("SELECT value, quality FROM mes.reading ORDER BY value").fetchall()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("states", {"time": NOW.isoformat(), "state": "running", "product": "carton-10"}),
        (
            "counts",
            {
                "counts": [
                    {
                        "from": NOW.isoformat(),
                        "to": (NOW + timedelta(minutes=1)).isoformat(),
                        "product": "carton-10",
                        "good": 1,
                        "scrap": 0,
                        "rework": 0,
                    }
                ]
            },
        ),
    ],
)
async def test_a_device_says_nothing_of_another_line(
    press: Press, admin: psycopg.Connection, path: str, body: dict[str, Any]
) -> None:
    headers = key() | {"Authorization": f"Bearer {press.key}"}
    answer = await press.client.post(f"/api/v1/lines/line-2/{path}", json=body, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:kojo:problem:foreign-line")
    denied = admin.execute(
        "SELECT actor_name, record_type, record_id FROM mes.audit_event WHERE action = 'denied'"
    ).fetchall()
    assert denied == [("press-1-plc", "line", "line-2")]


MINE = ("press-1.temperature", 61.5)


@pytest.mark.parametrize(
    ("scope", "foreign", "line_2"),
    [
        ({"lines": ["line-1"]}, [2], 403),
        ({"equipment": ["press-1"]}, [1, 2], 403),
        ({"sensors": ["press-1.temperature"]}, [1, 2], 403),
        ({"equipment": ["press-1"], "lines": ["line-2"]}, [1], 200),
        ({}, [], 200),
    ],
)
async def test_a_key_of_the_settings_speaks_for_what_it_is_bound_to(
    variables: dict[str, str],
    reading: Make,
    admin: psycopg.Connection,
    scope: dict[str, list[str]],
    foreign: list[int],
    line_2: int,
) -> None:
    bound = {"KOJO_MES_API_KEYS": json.dumps(KEYS | {"device": KEYS["device"] | scope})}
    async with client_of(create_app(ApiSettings(**fields(variables | bound)))) as client:
        assert (await send(client, reading(*MINE))).status_code == 200
        batch = (reading(*MINE), reading("robot-1.status", 1), reading("packer-1.status", 1))
        answer = await send(client, *batch)
        assert [fault["index"] for fault in answer.json().get("errors", [])] == foreign
        assert answer.status_code == (403 if foreign else 200)
        state = {"time": NOW.isoformat(), "state": "running", "product": "carton-10"}
        answer = await client.post("/api/v1/lines/line-2/states", json=state, headers=key())
        assert answer.status_code // 100 == line_2 // 100, answer.text
    assert stored(admin) == (1 if foreign else 4)


async def test_a_clock_that_is_off_is_refused_by_default(
    press: Press, reading: Make, admin: psycopg.Connection
) -> None:
    answer = await press.send(reading(), off(reading(), AHEAD))
    assert answer.status_code == 422
    assert [(fault["index"], fault["field"]) for fault in answer.json()["errors"]] == [(1, "time")]
    assert (await press.send(off(reading(value=1.0), BEHIND))).status_code == 200, "it may have waited to be sent"
    assert qualities(admin) == [(1.0, "good")]


async def test_a_device_that_flags_keeps_its_readings_as_uncertain(
    press: Press, reading: Make, admin: psycopg.Connection
) -> None:
    tuned = await press.tune(1, policy="flag", ahead=60, behind=600, reason="clock without a battery")
    assert (tuned.status_code, tuned.headers["ETag"], tuned.json()["skew_policy"]) == (200, '"2"', "flag")
    batch = [
        reading(value=1.0),
        off(reading(value=2.0), AHEAD),
        off(reading(value=3.0), BEHIND),
        off(reading(value=4.0, quality="bad"), BEHIND),
    ]
    assert (await press.send(*batch)).json() == {"received": 4, "accepted": 4, "duplicates": 0}
    assert qualities(admin) == [(1.0, "good"), (2.0, "uncertain"), (3.0, "uncertain"), (4.0, "bad")]
    too_far = await press.send(off(reading(), FARTHEST + AHEAD))
    assert (too_far.status_code, too_far.json()["errors"][0]["field"]) == (422, "time")


async def test_a_device_that_refuses_may_be_stricter_than_the_plant(press: Press, reading: Make) -> None:
    assert (await press.tune(1, policy="refuse", behind=600, reason="sends at once")).status_code == 200
    answer = await press.send(off(reading(), BEHIND))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "time")


async def test_the_plants_default_is_a_setting(
    variables: dict[str, str], reading: Make, admin: psycopg.Connection
) -> None:
    lenient = {"KOJO_MES_READING_SKEW_POLICY": "flag", "KOJO_MES_READING_SKEW_BEHIND": "600"}
    async with client_of(create_app(ApiSettings(**fields(variables | lenient)))) as client:
        body = {"readings": [off(reading(value=1.0), AHEAD), off(reading(value=2.0), BEHIND)]}
        assert (await client.post("/api/v1/readings", json=body, headers=key())).status_code == 200
    assert qualities(admin) == [(1.0, "uncertain"), (2.0, "uncertain")]


async def test_who_tunes_is_on_record_and_changes_what_they_read(press: Press, admin: psycopg.Connection) -> None:
    body: dict[str, Any] = {"policy": "flag", "ahead": 5, "reason": "clock without a battery"}
    assert (await press.tune(1, press.administrator, **body)).status_code == 403, "no business of an account keeper's"
    assert (await press.tune(7, **body)).status_code == 412
    without = press.maintenance.headers(press.app)
    path = f"/api/v1/identity/devices/{press.id}/skew"
    assert (await press.client.put(path, json=body, headers=without)).status_code == 428
    for wrong in ({"ahead": 3601}, {"behind": 0}, {"policy": "ignore"}, {"ahead": "5"}, {"reason": ""}):
        assert (await press.tune(1, **body | wrong)).status_code == 422, wrong
    assert (await press.tune(1, **body)).status_code == 200
    assert (await press.tune(2, reason="new battery")).json()["skew_policy"] is None, "what is left out is the plant's"
    entries = admin.execute(
        "SELECT actor_id, record_version, old, new, reason FROM mes.audit_event"
        " WHERE action = 'device:tune' ORDER BY id"
    ).fetchall()
    none: dict[str, Any] = {"skew_policy": None, "skew_ahead": None, "skew_behind": None}
    flag = none | {"skew_policy": "flag", "skew_ahead": 5.0}
    assert entries == [
        (press.maintenance.id, 2, none, flag, "clock without a battery"),
        (press.maintenance.id, 3, flag, none, "new battery"),
    ]


async def test_what_came_of_a_devices_readings_is_counted(
    press: Press, reading: Make, exporter_settings: ExporterSettings, admin: psycopg.Connection
) -> None:
    await press.tune(1, policy="flag", behind=600, reason="clock without a battery")
    admin.execute("UPDATE mes.sensor SET high = 90 WHERE name = 'press-1.temperature'")
    first = reading(sequence=1)
    for batch in (
        (first, {**first, "sequence": 1}, reading(sequence=5)),
        (off(reading(sequence=3), BEHIND), reading(value=91, sequence=9, quality="bad")),
    ):
        assert (await press.send(*batch, source="boot-7")).status_code == 200
    answer = await press.client.post(
        "/api/v1/readings", json={"readings": [reading("robot-1.status", 1)]}, headers=key()
    )
    assert answer.status_code == 200
    pages = []
    path = "/api/v1/readings/devices?limit=1"
    while path:
        page = (await press.client.get(path)).json()
        pages += page["items"]
        path = f"/api/v1/readings/devices?limit=1&cursor={page['next']}" if page["next"] else ""
    counts = {item["name"]: item for item in pages}
    assert set(counts) == {"press-1-plc", "key device"}
    expected = {
        "received": 5,
        "duplicates": 1,
        "late": 1,
        "skewed": 1,
        "bad": 1,
        "out_of_limits": 1,
        "sequence_missing": 5,  # 2, 4, 6, 7, 8
        "sequence_duplicates": 1,
        "out_of_order": 1,
    }
    assert {name: counts["press-1-plc"][name] for name in expected} == expected
    assert {name: counts["key device"][name] for name in expected} == dict.fromkeys(expected, 0) | {"received": 1}
    samples = await scrape(exporter_settings, "gateway")
    families = {
        "received": "data_received_total",
        "duplicates": "data_duplicates_total",
        "late": "data_late_total",
        "skewed": "data_skewed_total",
        "bad": "data_bad_quality_total",
        "out_of_limits": "data_out_of_limits_total",
        "sequence_missing": "sequence_missing",
        "sequence_duplicates": "sequence_duplicates_total",
        "out_of_order": "sequence_out_of_order_total",
    }
    of_press = {name: samples[f"iot_device_{family}", ("press-1-plc",)] for name, family in families.items()}
    assert of_press == expected


async def test_sources_come_in_pages_the_latest_first(press: Press, reading: Make) -> None:
    for source in ("a", "b", "c"):
        assert (await press.send(reading(sequence=1), source=source)).status_code == 200
    seen, path = [], "/api/v1/readings/sources?limit=2"
    while path:
        page = (await press.client.get(path)).json()
        seen += [item["source"] for item in page["items"]]
        path = f"/api/v1/readings/sources?limit=2&cursor={page['next']}" if page["next"] else ""
    assert seen == ["c", "b", "a"]


SECONDS = st.integers(-30 * 86400, 2 * 3600)


@given(st.sampled_from(SkewPolicy), st.integers(0, 3600), st.integers(1, 27 * 86400), SECONDS)
def test_a_reading_is_taken_flagged_or_refused(policy: SkewPolicy, ahead: int, behind: int, by: int) -> None:
    """Within what is allowed nothing is said; beyond, the policy decides; beyond all bounds nothing is taken."""
    clock = Clock(policy, timedelta(seconds=ahead), timedelta(seconds=behind))
    time = NOW + timedelta(seconds=by)
    allowed = -behind <= by <= ahead
    assert clock.is_skewed(time, NOW) is not allowed
    possible = -OLDEST.total_seconds() <= by <= FARTHEST.total_seconds()
    taken = allowed or (policy is SkewPolicy.FLAG and possible)
    assert (clock.fault(time, NOW) is None) is taken
