"""Hosts that lead die, and come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.faults.conftest import Podman
from tests.faults.lab import Lab, Places
from tests.plant import edges
from tests.plant.inventory import Plant
from tests.wait import eventually

SENSOR = "press-1.temperature"


def instants() -> list[datetime]:
    """Return three instants that the simulator doesn't use, and no other call has."""
    start = datetime.now(UTC).replace(microsecond=123_456)
    return [start + timedelta(seconds=second) for second in range(3)]


@pytest.fixture(scope="module")
def service(plant: Plant) -> Iterator[httpx.Client]:
    """Give a client of the service through the virtual address, with the simulator's key."""
    with edges.client(plant, key=plant.secrets["mes_simulator_key"]) as client:
        yield client


def take_in(service: httpx.Client, time: datetime) -> None:
    """Send one reading, again under its own key until it is acknowledged; 90 s are too long."""

    def send() -> int:
        try:
            answer = service.post(
                "/api/v1/readings",
                json={"readings": [{"sensor": SENSOR, "time": time.isoformat(), "value": 61.5}]},
                headers={"Idempotency-Key": f"failover-{time.isoformat()}"},
            )
        except httpx.TransportError:
            return 0
        return answer.status_code

    eventually(send, lambda status: status in (200, 201), 90)


def lose(lab: Lab, service: httpx.Client, podman: Podman, leading: Callable[[Places], set[str]]) -> None:
    """Kill the hosts that lead, take a reading in, start them again, and find all readings."""
    before = eventually(lab.places, lambda places: places.complete, 60)
    times = instants()
    take_in(service, times[0])

    lab.dead = leading(before)
    podman("kill", *lab.dead)
    try:
        take_in(service, times[1])
        after = eventually(lab.places, lambda places: places.complete, 60)
        assert not lab.dead & {after.primary, after.master, after.address}
    finally:
        podman("start", *lab.dead)
        lab.dead = set()
    eventually(lab.whole, bool, 180)

    assert lab.places() == after, "who comes back must not take its old place by itself"
    take_in(service, times[2])
    query = {"sensor": SENSOR, "from": times[0].isoformat(), "to": (times[2] + timedelta(seconds=1)).isoformat()}
    kept = {
        datetime.fromisoformat(item["time"]) for item in service.get("/api/v1/readings", params=query).json()["items"]
    }
    assert kept >= set(times)


# Two tests, and not one: where the primary and the Redis master are on different hosts, losing both at once is losing
# two of three members, which no quorum survives.
def test_the_primarys_host_and_an_edge_die_at_once_and_come_back(
    lab: Lab, service: httpx.Client, podman: Podman
) -> None:
    lose(lab, service, podman, lambda places: {places.primary, places.address})


def test_the_redis_masters_host_dies_and_comes_back(lab: Lab, service: httpx.Client, podman: Podman) -> None:
    lose(lab, service, podman, lambda places: {places.master})
