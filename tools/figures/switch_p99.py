"""p99 latency during a switch (1 s before a commit to 3 s after it) against the 5 s before that, over 20 switches.

The operator's command makes them: the commit is the one of `kojo.plant.bluegreen`, and Ansible would take the processor
from the lab that it shares with it. For the same reason the load is 100 requests a second: at 210 the lab's two cores,
which carry ten hosts and the load itself, have nothing left for a command, and what is measured is their queue. When a
commit was, the edges' own records tell.
"""

from __future__ import annotations

from tests.bluegreen.exercise import exercise
from tests.faults.lab import Lab
from tests.load.verdict import around, p99
from tests.plant.inventory import load_plant
from tools.figures.common import Unmeasurable, emit, inventory, running_plant

BAR = 1.5
AIM = 1.1
UNIT = "times"
RATE = 100
SWITCHES = 20
INTERVAL = 10.0


def main() -> None:
    with running_plant():
        done = exercise(Lab.of(load_plant(inventory())), switches=0, returns=SWITCHES, interval=INTERVAL, rate=RATE)
    if done.load.failures:
        raise Unmeasurable(f"switch-p99: requests failed: {done.load.failures.most_common(5)}")
    during, before = around((request for request in done.load.requests if request.name != "live"), done.commits)
    worse, usual = p99(during), p99(before)
    print(f"during {worse * 1000:.1f} ms of {len(during)} requests, before {usual * 1000:.1f} ms of {len(before)}")
    emit("switch-p99", round(worse / usual, 2), UNIT, bar=BAR, better="lower", samples=SWITCHES)


if __name__ == "__main__":
    main()
