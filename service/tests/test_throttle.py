"""Too many requests of one client get 429, on both hosts together; without Redis each host counts for itself."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import psycopg
import pytest
from conftest import DEVICE_KEY, OPERATOR_KEY, client_of, fields
from people import PASSWORD, somebody
from servers import free_port

from kojo_mes.api import create_app
from kojo_mes.kit.metrics import REQUESTS_THROTTLED
from kojo_mes.kit.server import configuration
from kojo_mes.kit.settings import ApiSettings
from kojo_mes.kit.throttle import Throttle

LIMIT, UNKNOWN, PERIOD = 5, 3, 10.0
LIMITS = {"KOJO_MES_REQUEST_LIMIT": str(LIMIT), "KOJO_MES_REQUEST_LIMIT_UNKNOWN": str(UNKNOWN)}
LINES = "/api/v1/lines"


@dataclass
class Clock:
    """A period's end is where the test wants it."""

    time: float = 1002.5

    def __call__(self) -> float:
        return self.time


@contextlib.asynccontextmanager
async def hosts(variables: dict[str, str], clock: Clock, number: int = 2) -> AsyncIterator[list[httpx.AsyncClient]]:
    settings = ApiSettings(**fields(variables | LIMITS))
    async with contextlib.AsyncExitStack() as stack:
        clients = []
        for _ in range(number):
            app = create_app(settings)
            app.state.throttle = Throttle(settings, clock)
            clients.append(await stack.enter_async_context(client_of(app)))
        yield clients


async def statuses(client: httpx.AsyncClient, times: int, key: str = DEVICE_KEY) -> list[int]:
    headers = {"Authorization": f"Bearer {key}"}
    return [(await client.get(LINES, headers=headers)).status_code for _ in range(times)]


def refused(kind: str) -> float:
    return float(REQUESTS_THROTTLED.labels(kind)._value.get())


async def test_both_hosts_count_together(variables: dict[str, str]) -> None:
    clock, before = Clock(), refused("known")
    async with hosts(variables, clock) as (one, other):
        assert await statuses(one, 3) == [200] * 3
        assert await statuses(other, 3) == [200, 200, 429]
        answer = await one.get(LINES)
        assert (answer.status_code, answer.headers["content-type"]) == (429, "application/problem+json")
        assert answer.json()["type"] == "urn:kojo:problem:too-many-requests"
        assert answer.headers["Retry-After"] == "8", "the period ends in 7.5 s"
        assert refused("known") - before == 2
        assert await statuses(one, 1, OPERATOR_KEY) == [200], "another's requests are another's"
        clock.time += PERIOD
        assert await statuses(one, 1) == [200]


async def test_without_redis_each_host_counts_for_itself(variables: dict[str, str]) -> None:
    nowhere = {"KOJO_MES_REDIS_SENTINELS": f"127.0.0.1:{free_port()}"}
    clock = Clock()
    async with hosts(variables | nowhere, clock) as (one, other):
        assert await statuses(one, LIMIT + 1) == [200] * LIMIT + [429]
        assert await statuses(other, LIMIT + 1) == [200] * LIMIT + [429]
        clock.time += PERIOD
        assert await statuses(one, 1) == [200]


async def test_who_is_not_known_is_counted_by_address(variables: dict[str, str], admin: psycopg.Connection) -> None:
    person = somebody(admin, "operator")
    login = {"user_name": person.user_name, "password": PASSWORD}
    async with hosts(variables, Clock(), 1) as (client,):
        assert await statuses(client, UNKNOWN + 1, "guess") == [401] * UNKNOWN + [429]
        assert await statuses(client, 1) == [200], "who is known isn't in the way of who is not"
        assert (await client.post("/api/v1/identity/sessions", json=login)).status_code == 429
        assert (await client.get("/health")).status_code == 200
    async with hosts(variables, Clock(time=5000.0), 1) as (client,):
        assert (await client.post("/api/v1/identity/sessions", json=login)).status_code == 200


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
async def test_addresses_are_counted_apart(variables: dict[str, str], address: str) -> None:
    settings = ApiSettings(**fields(variables | LIMITS))
    app = create_app(settings)
    app.state.throttle = Throttle(settings, Clock())
    async with client_of(app) as client:
        assert await statuses(client, UNKNOWN + 1, "guess") == [401] * UNKNOWN + [429]
        elsewhere = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://test") as other:
            assert await statuses(other, 1, "guess") == [401]


async def test_only_a_balancer_is_believed_about_the_clients_address(variables: dict[str, str]) -> None:
    settings = ApiSettings(**fields(variables | LIMITS | {"KOJO_MES_BALANCERS": "192.0.2.1,192.0.2.2"}))
    app = create_app(settings)
    app.state.throttle = Throttle(settings, Clock())
    served = configuration(app, settings, free_port()).loaded_app

    async def guesses(peer: str, client: str, times: int) -> list[int]:
        transport = httpx.ASGITransport(served, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as asking:
            asking.headers["X-Forwarded-For"] = client
            return await statuses(asking, times, "guess")

    async with client_of(app):
        assert await guesses("192.0.2.1", "198.51.100.1", UNKNOWN) == [401] * UNKNOWN
        assert await guesses("192.0.2.2", "198.51.100.1", 1) == [429], "the same client through another balancer"
        assert await guesses("192.0.2.1", "198.51.100.2", 1) == [401]
        assert await guesses("192.0.2.9", "198.51.100.1", 1) == [401], "no balancer: counted by its own address"
        assert await guesses("192.0.2.9", "198.51.100.3", UNKNOWN) == [401] * (UNKNOWN - 1) + [429]
