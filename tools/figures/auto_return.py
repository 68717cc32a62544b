"""A new colour that fails every fifth request: from the switch's commit until the old one serves again; the longest.

Measure, switch and watch are one playbook, as in a deploy, under 100 requests a second. Before it come 20 switches to a
colour without a fault, each watched for 15 s: one that goes back or holds is no figure. None of 20 proves only that at
most 14 % of such watches go back (95 % confidence); the bound of 0.1 % is the test's own (docs/blue-green.md).
"""

from __future__ import annotations

import time

from tests.bluegreen.colours import Colours, both_colours
from tests.bluegreen.exercise import under_load
from tests.bluegreen.fault import failing
from tests.bluegreen.playbook import play
from tests.faults.lab import Lab
from tests.load.steady import Load
from tests.load.verdict import at_most
from tests.plant.edges import OTHER
from tests.plant.inventory import load_plant
from tools.figures.common import Unmeasurable, emit, inventory, running_plant

BAR = 15
AIM = 5
UNIT = "s"
RATE = 100
SAMPLES, SECONDS = 3, 60
SOUND, SOUND_SECONDS = 20, 15
MEASURE_SECONDS = 3


def trial(colours: Colours, seconds: int) -> str:
    """Switch to the other colour and watch it; return the verdict with its reason."""
    options = {"active": OTHER[colours.active()], "measure_seconds": MEASURE_SECONDS, "watch_seconds": seconds}
    watched = play(colours.lab.plant, "trial.yml", **options)["Watch"]
    return f"{watched['verdict']}: {watched['reason']}"


def sound(colours: Colours) -> None:
    """Try colours that are well."""
    told = [trial(colours, SOUND_SECONDS) for _ in range(SOUND)]
    if false := [verdict for verdict in told if not verdict.startswith("pass")]:
        raise Unmeasurable(f"auto-return: {len(false)} of {SOUND} watches without a fault did not pass: {false}")
    print(f"0 of {SOUND} watches without a fault went back; at most {at_most(0, SOUND):.0%} do, with 95 % confidence")


def spoiled(colours: Colours, load: Load) -> float:
    """Try a colour that fails; return the seconds from its commit to the return's on the last edge."""
    begun, old = time.time(), colours.active()
    verdict = trial(colours, SECONDS)
    decided = colours.decided(begun)
    if not verdict.startswith("worse") or [each.active for each in decided] != [OTHER[old], old]:
        raise Unmeasurable(f"auto-return: no return was made: {verdict}; decided: {decided}")
    there, back = decided
    failed = [each for each in load.requests if each.fault and begun <= each.at]
    if not failed or (late := max(each.at for each in failed)) > max(back.at.values()) + 1:
        raise Unmeasurable(f"auto-return: {len(failed)} requests failed, the last one after the return")
    commit = min(there.at.values())
    seconds = max(back.at.values()) - commit
    print(f"{seconds:.1f} s; {len(failed)} requests failed, the last {late - commit:.1f} s after the commit")
    return seconds


def main() -> None:
    with running_plant():
        lab = Lab.of(load_plant(inventory()))
        with both_colours(lab) as colours, under_load(lab, RATE, listener=False) as load:
            sound(colours)
            if load.failures:
                raise Unmeasurable(f"auto-return: requests failed without a fault: {load.failures.most_common(5)}")
            with failing(colours, OTHER[colours.active()]):
                samples = [spoiled(colours, load) for _ in range(SAMPLES)]
    emit("auto-return", round(max(samples), 1), UNIT, bar=BAR, better="lower", samples=SAMPLES)


if __name__ == "__main__":
    main()
