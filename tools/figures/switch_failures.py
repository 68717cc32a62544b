"""Requests failed over 20 switches and 5 returns, at 210/s through the virtual address (shares: tests/load/steady.py).

Switches by `kojo.plant.bluegreen` with a drain of five seconds, returns by `kojo-bluegreen switch-back`, one every
twelve seconds. One listener to the live events comes back every twenty seconds and whenever a drain ends its stream: a
refusal or a gap in its events is a failure too. Nothing is tried again.
"""

from __future__ import annotations

import sys

from tests.bluegreen.exercise import exercise
from tests.faults.lab import Lab
from tests.load.verdict import at_most, p99
from tests.plant.inventory import load_plant
from tools.figures.common import Unmeasurable, emit, inventory, running_plant

BAR = 0
UNIT = "requests"
SWITCHES, RETURNS = 20, 5
INTERVAL = 12.0
DRAIN = 5
LEAST = 60_000


def main() -> int:
    with running_plant():
        lab = Lab.of(load_plant(inventory()))
        done = exercise(lab, switches=SWITCHES, returns=RETURNS, interval=INTERVAL, drain=DRAIN)
    requests, failures = done.load.requests, done.load.failures
    for name in sorted({request.name for request in requests}):
        of_it = [request for request in requests if request.name == name]
        print(f"{name:<24}{len(of_it):>7} requests, p99 {p99(of_it) * 1000:6.1f} ms")
    for fault, count in failures.most_common(10):
        print(f"{count} times {fault}", file=sys.stderr)
    bound = at_most(failures.total(), len(requests))
    print(f"{failures.total()} of {len(requests)} requests failed; at most {bound:.4%} do, with 95 % confidence")
    if len(requests) < LEAST:
        raise Unmeasurable(f"switch-failures: {len(requests)} requests were made, {LEAST} are needed")
    emit("switch-failures", failures.total(), UNIT, bar=BAR, better="lower", samples=len(requests))
    return 0


if __name__ == "__main__":
    sys.exit(main())
