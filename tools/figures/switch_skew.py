"""Difference between the edges' commits, p95 of 20 switches; and how long a commit takes on an edge (at most 50 ms).

By the edges' own records, made when HAProxy had been read back; a commit begins when the map's file is exchanged, which
the file system dates (to about 4 ms). Ansible isn't in it: the operator's command makes the commits.
"""

from __future__ import annotations

import sys
import time

from tests.bluegreen.colours import Colours, both_colours
from tests.faults.lab import Lab
from tests.load.verdict import share_below
from tests.plant.inventory import load_plant
from tools.figures.common import emit, inventory, running_plant

BAR = 100
UNIT = "ms"
SWITCHES = 20
SHARE = 95
LONGEST_COMMIT = 50
MAP = "/etc/haproxy/maps/colour.map"


def measure(colours: Colours) -> tuple[float, list[float]]:
    """Switch once; return the milliseconds between the edges, and of each edge's commit."""
    begun = time.time()
    colours.switch_back()
    (decided,) = colours.decided(begun)
    exchanged = {edge: float(colours.lab.ssh(edge).check_output(f"stat -c %.9Z {MAP}")) for edge in colours.edges}
    return decided.skew * 1000, [(at - exchanged[edge]) * 1000 for edge, at in decided.at.items()]


def main() -> int:
    with running_plant(), both_colours(Lab.of(load_plant(inventory()))) as colours:
        samples = [measure(colours) for _ in range(SWITCHES)]
    skew = share_below(SHARE, [skew for skew, _ in samples])
    longest = max(commit for _, commits in samples for commit in commits)
    print(f"a commit on an edge takes at most {longest:.1f} ms, the largest difference is {max(samples)[0]:.1f} ms")
    emit("switch-skew", round(skew, 1), UNIT, bar=BAR, better="lower", samples=SWITCHES)
    if longest > LONGEST_COMMIT:
        print(f"switch-skew: a commit took {longest:.1f} ms; {LONGEST_COMMIT} ms are the bar", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
