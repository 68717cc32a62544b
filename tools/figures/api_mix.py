"""p95 of the mixed API under 100 users: reads, writes, charts, people logged in, through the virtual address with TLS.

Ten gateways send a batch a second; ninety people look and write, and think one to two seconds in between
(tests/load/locustfile.py). Two minutes, once all have logged in. A request that fails, at any time, is no figure.
"""

from __future__ import annotations

import os

from tests.faults.lab import Lab
from tests.load.mix import SECONDS, Measured, run
from tests.plant.inventory import load_plant
from tools.figures.common import Unmeasurable, emit, inventory, running_plant

BAR = 200
AIM = 100
UNIT = "ms"


def measure() -> Measured:
    """Put the plant under the load; what failed ends the measurement."""
    with running_plant():
        measured = run(Lab.of(load_plant(inventory())))
    rate = len(measured.requests) / SECONDS
    print(f"{len(measured.requests)} requests, {rate:.0f}/s, load {os.getloadavg()[0]:.1f}")
    if measured.failures:
        worst = "; ".join(f"{count} times {fault}" for fault, count in measured.failures.most_common(5))
        raise Unmeasurable(f"api-mix: {measured.failures.total()} requests failed: {worst}")
    return measured


def main() -> None:
    measured = measure()
    for name in measured.names():
        print(f"{name:<40}p95 {measured.p95(name):6.0f} ms")
    emit("api-mix", round(measured.p95()), UNIT, bar=BAR, better="lower")


if __name__ == "__main__":
    main()
