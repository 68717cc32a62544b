"""The primary's host, the Redis master's host and an edge die at once, and come back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.faults.conftest import Podman
from tests.faults.lab import Lab
from tests.plant import edges
from tests.plant.inventory import Plant
from tests.wait import eventually

SENSOR = "press-1.temperature"
START = datetime.now(UTC).replace(microsecond=0)
# an instant that the simulator doesn't use
TIMES = [(START + timedelta(seconds=second, microseconds=123_456)).isoformat() for second in range(3)]


@pytest.fixture(scope="module")
def service(plant: Plant) -> Iterator[httpx.Client]:
    """Give a client of the service through the virtual address, with the simulator's key."""
    with edges.client(plant, key=plant.secrets["mes_simulator_key"]) as client:
        yield client


def take_in(service: httpx.Client, time: str) -> None:
    """Send one reading, again under its own key until it is acknowledged; 90 s are too long."""

    def send() -> int:
        try:
            answer = service.post(
                "/api/v1/readings",
                json={"readings": [{"sensor": SENSOR, "time": time, "value": 61.5}]},
                headers={"Idempotency-Key": f"failover-{time}"},
            )
        except httpx.TransportError:
            return 0
        return answer.status_code

    eventually(send, lambda status: status in (200, 201), 90)


def test_the_plant_goes_on_without_them_and_takes_them_back(lab: Lab, service: httpx.Client, podman: Podman) -> None:
    before = eventually(lab.places, lambda places: places.complete, 60)
    take_in(service, TIMES[0])

    lab.dead = {before.primary, before.master, before.address}
    podman("kill", *lab.dead)
    try:
        take_in(service, TIMES[1])
        after = eventually(lab.places, lambda places: places.complete, 60)
        assert not lab.dead & {after.primary, after.master, after.address}
    finally:
        podman("start", *lab.dead)
        lab.dead = set()
    eventually(lab.whole, bool, 180)

    assert lab.places() == after, "who comes back must not take its old place by itself"
    take_in(service, TIMES[2])
    end = START + timedelta(seconds=3)
    answer = service.get("/api/v1/readings", params={"sensor": SENSOR, "from": TIMES[0], "to": end.isoformat()})
    kept = {datetime.fromisoformat(item["time"]) for item in answer.json()["items"]}
    assert kept >= {datetime.fromisoformat(time) for time in TIMES}
