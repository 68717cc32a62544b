"""Readings through the API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from conftest import OPERATOR_KEY, key, send, stored

Make = Callable[..., dict[str, Any]]


async def test_a_batch_is_stored_and_shown(client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection) -> None:
    batch = [reading(value=61.5), reading("robot-1.status", 1), reading("packer-1.good_count", 3)]
    answer = await send(client, *batch)
    assert (answer.status_code, answer.json()) == (200, {"received": 3, "accepted": 3, "duplicates": 0})
    assert stored(admin) == 3
    latest = (await client.get("/api/v1/readings/latest")).json()["items"]
    assert {(item["sensor"], item["line"], item["value"]) for item in latest} == {
        ("press-1.temperature", "line-1", 61.5),
        ("robot-1.status", "line-1", 1.0),
        ("packer-1.good_count", "line-2", 3.0),
    }
    of_line = (await client.get("/api/v1/readings/latest", params={"line": "line-2"})).json()["items"]
    assert [item["sensor"] for item in of_line] == ["packer-1.good_count"]


async def test_the_same_reading_is_stored_once_and_counted(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection
) -> None:
    first, second = reading(), reading()
    await send(client, first)
    answer = await send(client, first, second, second)
    assert answer.json() == {"received": 3, "accepted": 1, "duplicates": 2}
    assert stored(admin) == 2
    totals = admin.execute("SELECT sum(received), sum(duplicates) FROM mes.line_total").fetchone()
    assert totals == (4, 2)


async def test_a_repeated_key_gets_the_first_answer(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection
) -> None:
    batch, headers = reading(), key()
    first = await send(client, batch, **headers)
    again = await send(client, batch, **headers)
    assert again.json() == first.json() == {"received": 1, "accepted": 1, "duplicates": 0}
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert admin.execute("SELECT sum(received) FROM mes.line_total").fetchone() == (1,)


async def test_a_key_of_another_batch_is_refused(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection
) -> None:
    headers = key()
    await send(client, reading(), **headers)
    answer = await send(client, reading(), **headers)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:kojo:problem:idempotency-key-reused"
    assert stored(admin) == 1


async def test_a_key_is_needed(client: httpx.AsyncClient, reading: Make) -> None:
    answer = await client.post("/api/v1/readings", json={"readings": [reading()]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999", '"1.0"', "true", "null"])
async def test_what_is_not_a_finite_number_is_refused(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection, token: str
) -> None:
    body = json.dumps({"readings": [reading(), reading(value="VALUE")]}).replace('"VALUE"', token)
    answer = await client.post("/api/v1/readings", content=body, headers={**key(), "Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [(fault["index"], fault["field"]) for fault in answer.json()["errors"]] == [(1, "value")]
    assert stored(admin) == 0


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"value": 2, "sensor": "press-1.status"}, "value"),
        ({"value": 1.5, "sensor": "press-1.good_count"}, "value"),
        ({"value": -1, "sensor": "press-1.reject_count"}, "value"),
        ({"value": -300}, "value"),
        ({"time": "2199-01-01T00:00:00Z"}, "time"),
        ({"time": (datetime.now(UTC) - timedelta(days=28)).isoformat()}, "time"),
        ({"time": "2026-01-05T08:00:00"}, "time"),
        ({"quality": "perfect"}, "quality"),
        ({"colour": "red"}, "colour"),
        ({"sensor": "press 1"}, "sensor"),
    ],
)
async def test_one_bad_reading_refuses_the_batch_by_index_and_field(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection, wrong: dict[str, Any], field: str
) -> None:
    answer = await send(client, reading(), {**reading(), **wrong})
    assert answer.status_code == 422
    assert [(fault["index"], fault["field"]) for fault in answer.json()["errors"]] == [(1, field)]
    assert stored(admin) == 0


async def test_a_refused_batch_may_be_corrected_under_its_key(client: httpx.AsyncClient, reading: Make) -> None:
    headers = key()
    assert (await send(client, reading("press-9.status", 1), **headers)).status_code == 403
    assert (await send(client, reading("press-1.status", 1), **headers)).status_code == 200


async def test_an_unknown_sensor_is_forbidden(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection
) -> None:
    answer = await send(client, reading(), reading("press-9.temperature"))
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["index"] == 1
    assert "press-9.temperature" in answer.json()["errors"][0]["detail"]
    assert stored(admin) == 0
    denied = admin.execute(
        "SELECT actor_id, record_type, record_id, reason FROM mes.audit_event WHERE action = 'denied'"
    ).fetchall()
    assert [row[:3] for row in denied] == [("device", "sensor", "press-9.temperature")]
    assert "not known" in denied[0][3]


async def test_the_month_before_takes_late_readings(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection
) -> None:
    late = {**reading(), "time": (datetime.now(UTC) - timedelta(days=26)).isoformat()}
    assert (await send(client, late)).status_code == 200
    assert admin.execute("SELECT sum(late) FROM mes.line_total").fetchone() == (1,)


async def test_bad_quality_is_kept_and_counted(
    client: httpx.AsyncClient, reading: Make, admin: psycopg.Connection
) -> None:
    await send(client, reading("press-1.quality_passed", 7, quality="bad"), reading("press-1.quality_passed", 2))
    assert stored(admin) == 2
    assert admin.execute("SELECT sum(bad), sum(quality_passed) FROM mes.line_total").fetchone() == (1, 2)


async def test_batches_have_a_bound(client: httpx.AsyncClient, reading: Make) -> None:
    assert (await send(client)).status_code == 422
    assert (await send(client, *(reading() for _ in range(5000)))).json()["accepted"] == 5000
    assert (await send(client, *(reading() for _ in range(5001)))).status_code == 422


async def test_a_large_body_is_refused_by_its_declared_length(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/readings", content=b" " * (1024 * 1024 + 1), headers=key())
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:kojo:problem:body-too-large"


async def test_a_large_body_is_refused_while_it_arrives(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(17):
            yield b" " * 65536

    answer = await client.post("/api/v1/readings", content=chunks(), headers=key())
    assert answer.status_code == 413


async def test_not_json_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/readings", content=b"{", headers=key())
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic a2V5"])
async def test_who_is_not_known_gets_401(client: httpx.AsyncClient, reading: Make, authorization: str | None) -> None:
    client.headers.pop("Authorization")
    headers = {"Authorization": authorization} if authorization else {}
    answer = await send(client, reading(), **key(), **headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (await client.get("/api/v1/lines", headers=headers)).status_code == 401


async def test_an_operator_reads_and_does_not_send(client: httpx.AsyncClient, reading: Make) -> None:
    client.headers["Authorization"] = f"Bearer {OPERATOR_KEY}"
    assert (await client.get("/api/v1/lines")).status_code == 200
    answer = await send(client, reading())
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:kojo:problem:not-permitted")


async def test_a_range_comes_in_pages_without_gap_or_repeat(client: httpx.AsyncClient, reading: Make) -> None:
    sent = [reading(value=number) for number in range(25)]
    await send(client, *sent, reading("press-1.status", 1))
    query = {
        "sensor": "press-1.temperature",
        "from": sent[0]["time"],
        "to": (datetime.now(UTC) + timedelta(minutes=1)).isoformat(),
        "limit": "10",
    }
    values, pages = [], 0
    while True:
        page = (await client.get("/api/v1/readings", params=query)).json()
        values += [item["value"] for item in page["items"]]
        pages += 1
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert (values, pages) == ([float(number) for number in range(25)], 3)


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "to"),
        ("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", "to"),
        ("2026-01-01", "2026-01-02T00:00:00Z", "from"),
    ],
)
async def test_a_range_has_bounds(client: httpx.AsyncClient, start: str, end: str, field: str) -> None:
    answer = await client.get("/api/v1/readings", params={"sensor": "press-1.temperature", "from": start, "to": end})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_lines_are_the_plants_page(client: httpx.AsyncClient) -> None:
    lines = (await client.get("/api/v1/lines")).json()["items"]
    assert [(line["id"], [item["id"] for item in line["equipment"]]) for line in lines] == [
        ("line-1", ["press-1", "robot-1"]),
        ("line-2", ["packer-1"]),
    ]
    assert {sensor["name"] for sensor in lines[1]["equipment"][0]["sensors"]} == {
        f"packer-1.{measurement}"
        for measurement in (
            "status",
            "good_count",
            "reject_count",
            "temperature",
            "quality_passed",
            "quality_failed",
        )
    }


async def test_unknown_paths_and_methods_are_problems(client: httpx.AsyncClient) -> None:
    for method, path, status in (("GET", "/nothing", 404), ("DELETE", "/api/v1/lines", 405)):
        answer = await client.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_openapi_has_examples_and_problems(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/v1/openapi.json")).json()
    post = document["paths"]["/api/v1/readings"]["post"]
    assert "application/problem+json" in post["responses"]["422"]["content"]
    assert document["components"]["schemas"]["Batch"]["examples"]
