"""PostgreSQL's primary killed with -9: longest gap in writes acknowledged through the API's database path."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import httpx
import testinfra

from tests.faults.lab import Lab
from tests.plant import edges
from tests.plant.inventory import Plant, connection, load_plant, under_test
from tests.wait import eventually
from tools.figures.common import emit

BAR = 10
AIM = 6
UNIT = "s"
KILLS = 3
CLIENTS = 4
SENSOR = "press-1.temperature"
BEFORE, AFTER = 5.0, 15.0


class Writers:
    """Clients that send a reading each, one after another, and write down when each was acknowledged."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.start = datetime.now(UTC).replace(microsecond=0)
        self.number = itertools.count(1)
        self.acknowledged: list[tuple[float, datetime]] = []
        self.unknown = 0
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._write) for _ in range(CLIENTS)]

    def client(self) -> httpx.Client:
        return edges.client(self.plant, key=self.plant.secrets["mes_simulator_key"])

    def _write(self) -> None:
        with self.client() as client:
            while not self.stop.is_set():
                # a reading is known by its time: one microsecond a reading, where the simulator has none
                instant = self.start + timedelta(microseconds=next(self.number))
                try:
                    answer = client.post(
                        "/api/v1/readings",
                        json={"readings": [{"sensor": SENSOR, "time": instant.isoformat(), "value": 61.5}]},
                        headers={"Idempotency-Key": f"pg-process-kill-{instant.isoformat()}"},
                    )
                except httpx.TransportError:
                    self.unknown += 1
                    continue
                if answer.status_code in (200, 201):
                    self.acknowledged.append((time.monotonic(), instant))
                else:
                    self.unknown += 1
                    time.sleep(0.05)

    def lost(self) -> int:
        """Return how many acknowledged readings the database doesn't have."""
        wanted = {instant for _, instant in self.acknowledged}
        query = {
            "sensor": SENSOR,
            "from": self.start.isoformat(),
            "to": (self.start + timedelta(seconds=1)).isoformat(),
            "limit": "10000",
        }
        with self.client() as client:
            while True:
                page = client.get("/api/v1/readings", params=query).raise_for_status().json()
                wanted -= {datetime.fromisoformat(item["time"]) for item in page["items"]}
                if not page["next"]:
                    return len(wanted)
                query["after"] = page["next"]


def measure(plant: Plant, lab: Lab) -> tuple[float, int]:
    """Kill the primary's processes once; return the longest gap in seconds and the number of lost readings."""
    eventually(lab.whole, bool, 120)
    primary = lab.places().primary
    writers = Writers(plant)
    for thread in writers.threads:
        thread.start()
    time.sleep(BEFORE)
    lab.ssh(primary).run_expect([0], "pkill -9 -x postgres")
    time.sleep(AFTER)
    writers.stop.set()
    for thread in writers.threads:
        thread.join()
    times = sorted(moment for moment, _ in writers.acknowledged)
    gap = max(later - earlier for earlier, later in itertools.pairwise(times))
    lost = writers.lost()
    print(f"{primary}: {len(times)} acknowledged, {writers.unknown} unknown, gap {gap:.2f} s, lost {lost}")
    return gap, lost


def main() -> int:
    plant = load_plant(under_test())
    lab = Lab(plant, lambda name: testinfra.get_host(**connection(plant, name)))
    samples = [measure(plant, lab) for _ in range(KILLS)]
    if lost := sum(sample[1] for sample in samples):
        print(f"pg-process-kill: {lost} acknowledged readings are lost", file=sys.stderr)
        return 1
    emit("pg-process-kill", round(max(gap for gap, _ in samples), 2), UNIT, bar=BAR, better="lower", samples=KILLS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
