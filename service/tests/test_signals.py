"""States and counts from readings: through the API, against a plain account of what the machines said."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import DEVICE_KEY, key
from floor import Floor, floor, iso

from kojo_mes.kit.database import Database
from kojo_mes.signals.counters import bucket_of
from kojo_mes.signals.service import derive_due

__all__ = ["floor"]
Json = dict[str, Any]
MINUTE, STEP = timedelta(minutes=1), timedelta(seconds=10)
PACKER = "line-2"  # one piece of equipment makes one product, carton-10, in 2 s ideally


@dataclass
class Machines:
    """Of a line of one machine, seen every ten seconds from two hours ago on."""

    floor: Floor
    start: datetime = field(default_factory=lambda: bucket_of(datetime.now(UTC) - timedelta(hours=2)))

    def at(self, minutes: float) -> datetime:
        return self.start + minutes * MINUTE

    def readings(self, start: float, end: float, *, status: int = 1, good: int = 5, reject: int = 0) -> list[Json]:
        seen = [self.at(start) + step * STEP for step in range(int((end - start) * MINUTE / STEP))]
        values = {"status": status, "good_count": good * status, "reject_count": reject * status}
        return [
            {"sensor": f"packer-1.{name}", "time": iso(time), "value": value}
            for time in seen
            for name, value in values.items()
        ]

    async def send(self, *batches: list[Json]) -> None:
        for batch in batches:
            headers = {"Authorization": f"Bearer {DEVICE_KEY}", **key()}
            answer = await self.floor.client.post("/api/v1/readings", json={"readings": batch}, headers=headers)
            assert answer.status_code == 200, answer.text

    async def derive(self) -> None:
        """Until nothing is left to do, whoever does it."""
        database: Database = self.floor.app.state.database
        while True:
            await derive_due(database)
            left = self.floor.admin.execute("SELECT count(*) FROM mes.signal_change").fetchone()
            if left == (0,):
                return

    async def states(self) -> list[tuple[float, str, str | None, str]]:
        """From which minute, which, why, by what."""
        page = await self.floor.get(f"/lines/{PACKER}/states", **self.period())
        return [
            (
                round((datetime.fromisoformat(item["started_at"]) - self.start) / MINUTE, 3),
                item["state"],
                item["reason"],
                item["source"],
            )
            for item in page["items"]
        ]

    async def counts(self) -> list[tuple[float, float, int, int, str]]:
        page = await self.floor.get(f"/lines/{PACKER}/counts", **self.period())
        return [
            (
                round((datetime.fromisoformat(item["from"]) - self.start) / MINUTE, 3),
                round((datetime.fromisoformat(item["to"]) - self.start) / MINUTE, 3),
                item["good"],
                item["scrap"],
                item["source"],
            )
            for item in page["items"]
        ]

    def period(self) -> Json:
        return {"from": iso(self.at(-60)), "to": iso(self.at(180)), "limit": 1000}


@pytest.fixture
def machines(floor: Floor) -> Machines:
    return Machines(floor)


async def test_readings_become_states_and_counts(machines: Machines) -> None:
    await machines.send(machines.readings(0, 12), machines.readings(12, 14, status=0), machines.readings(14, 20))
    await machines.derive()
    assert await machines.states() == [
        (0, "running", None, "signals"),
        (12, "unplanned_stop", "unclassified", "signals"),
        (14, "running", None, "signals"),
        (round(20 - 1 / 6 + 0.5, 3), "unknown", None, "signals"),
    ]
    last = round(20 - 1 / 6, 3)
    assert await machines.counts() == [
        (0, 5, 150, 0, "signals"),
        (5, 10, 150, 0, "signals"),
        (10, 15, 90, 0, "signals"),
        (15, last, 145, 0, "signals"),
    ]
