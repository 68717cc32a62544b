"""Health, the cache, and what the API says of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
import servers
from conftest import client_of, fields, send

from kojo_mes.api import create_app
from kojo_mes.health import service as health_service
from kojo_mes.kit.settings import ApiSettings

Make = Callable[..., dict[str, Any]]


async def test_all_is_well(client: httpx.AsyncClient) -> None:
    for path in ("/health", "/health/ready", "/health/database", "/health/redis"):
        answer = await client.get(path)
        assert (path, answer.status_code, answer.json()["status"]) == (path, 200, "pass")
    assert "manufacturing_db_up 1.0" in (await client.get("/metrics")).text


async def test_not_ready_when_nothing_can_be_written(client: httpx.AsyncClient, admin: psycopg.Connection) -> None:
    admin.execute("REVOKE UPDATE ON mes.write_probe FROM kojo_app")
    assert (await client.get("/health/ready")).status_code == 503
    assert (await client.get("/health/database")).status_code == 200


async def test_silent_lines_are_named(client: httpx.AsyncClient, reading: Make) -> None:
    await send(client, reading("press-1.status", 1))
    answer = await client.get("/health/iot")
    assert answer.status_code == 503
    assert [(line["line"], line["status"]) for line in answer.json()["lines"]] == [
        ("line-1", "pass"),
        ("line-2", "fail"),
    ]
    await send(client, reading("packer-1.status", 1))
    assert (await client.get("/health/iot")).status_code == 200


async def test_latest_is_kept_in_redis_for_half_a_second(
    client: httpx.AsyncClient, reading: Make, redis: servers.Redis
) -> None:
    await send(client, reading(value=55))
    answer = await client.get("/api/v1/readings/latest")
    with redis.client() as eye:
        remaining = eye.pttl("kojo-mes:latest")
        eye.set("kojo-mes:latest", answer.content.replace(b"55.0", b"56.0"))
    assert isinstance(remaining, int)
    assert remaining <= 500
    assert (await client.get("/api/v1/readings/latest")).json()["items"][0]["value"] == 56


async def test_without_redis_it_still_works(variables: dict[str, str], reading: Make) -> None:
    alone = ApiSettings(**fields(variables | {"KOJO_MES_REDIS_SENTINELS": "127.0.0.1:1"}))
    async with client_of(create_app(alone)) as client:
        assert (await send(client, reading(value=55))).status_code == 200
        assert (await client.get("/api/v1/readings/latest")).json()["items"][0]["value"] == 55
        assert (await client.get("/health/redis")).status_code == 503
        assert (await client.get("/health/ready")).status_code == 200
        assert "manufacturing_redis_up 0.0" in (await client.get("/metrics")).text


async def test_requests_are_measured_by_route(client: httpx.AsyncClient) -> None:
    await client.get("/api/v1/lines")
    await client.get("/no/such/path")
    text = (await client.get("/metrics")).text
    assert 'route="/api/v1/lines",service="kojo-mes",status="200"' in text
    assert 'route="unmatched"' in text
    assert "/no/such/path" not in text
    for edge in ("0.05", "0.2", "0.5"):
        assert f'le="{edge}",method="GET",route="/api/v1/lines"' in text


async def test_a_background_task_that_mistakes_its_end_is_told_again(
    settings: ApiSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, begun = 0, asyncio.Event()

    async def deaf(_database: object) -> None:
        nonlocal told
        begun.set()
        while told < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told += 1

    monkeypatch.setattr(health_service, "watch", deaf)
    async with asyncio.timeout(60), client_of(create_app(settings)):
        await begun.wait()
    assert told == 2


async def test_every_answer_has_a_request_id(client: httpx.AsyncClient) -> None:
    first, second = [(await client.get("/health")).headers["x-request-id"] for _ in range(2)]
    assert first != second
