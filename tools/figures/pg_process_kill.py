"""PostgreSQL's primary killed with -9: longest gap in writes acknowledged through the API's database path."""

from __future__ import annotations

import itertools
import sys
import time

from tests.faults.lab import Lab
from tests.load.shopfloor import own_line
from tests.load.writers import Readings, under_load
from tests.plant.inventory import load_plant
from tools.figures.common import emit, inventory, running_plant

BAR = 10
AIM = 6
UNIT = "s"
KILLS = 3
CLIENTS = 4
BEFORE, AFTER = 5.0, 15.0


def measure(lab: Lab) -> tuple[float, int]:
    """Kill the primary's processes once; return the longest gap in seconds and the number of lost writes."""
    lab.await_whole(120)
    primary = lab.places().primary
    with under_load(lab, {Readings: CLIENTS}) as load:
        time.sleep(BEFORE)
        lab.ssh(primary).run_expect([0], "pkill -9 -x postgres")
        time.sleep(AFTER)
    gap = max(later - earlier for earlier, later in itertools.pairwise(load.acknowledged()))
    counts = load.counts()[Readings.kind]
    print(f"{primary}: {counts}; {load.failures.total()} answers were none; gap {gap:.2f} s")
    return gap, counts.lost


def main() -> int:
    with running_plant():
        lab = Lab.of(load_plant(inventory()))
        with own_line(lab):
            samples = [measure(lab) for _ in range(KILLS)]
    if lost := sum(sample[1] for sample in samples):
        print(f"pg-process-kill: {lost} acknowledged batches are lost", file=sys.stderr)
        return 1
    emit("pg-process-kill", round(max(gap for gap, _ in samples), 2), UNIT, bar=BAR, better="lower", samples=KILLS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
