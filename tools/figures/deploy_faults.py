"""Deploys that something happens to at a random instant: how many of 20 end otherwise than they should.

Kill, reload or partition of an edge, or of the control node (tests/bluegreen/disturbance.py). Afterwards both edges
must have the same decision, the same command must bring the release, and the edges that nothing happened to must have
answered every request. KOJO_SEED repeats a campaign's instants.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from pathlib import Path

from tests.bluegreen.disturbance import disturbances
from tests.bluegreen.trials import trials
from tests.faults.lab import Lab
from tests.plant.inventory import load_plant
from tools.figures.common import emit, inventory, running_plant

BAR = 0
UNIT = "deploys"
TRIALS = 20


def main() -> None:
    seed = os.environ.get("KOJO_SEED") or str(int(time.time()))
    chance = random.Random(seed)  # noqa: S311
    print(f"KOJO_SEED={seed}")
    wrong = 0
    with running_plant(), tempfile.TemporaryDirectory() as folder:
        lab = Lab.of(load_plant(inventory()))
        with trials(lab, Path(folder)) as told:
            whole = told.undisturbed()
            kinds = disturbances(lab.plant.groups["edge"])
            chosen = [kind for _ in range(-(-TRIALS // len(kinds))) for kind in chance.sample(kinds, len(kinds))]
            for number, kind in enumerate(chosen[:TRIALS], 1):
                instant = chance.uniform(0, whole)
                begun = f"{number:>2}  {kind.name:<28}after {instant:5.1f} of {whole:.1f} s"
                try:
                    print(f"{begun}  {told.disturbed(kind, instant)}", flush=True)
                except AssertionError as error:
                    wrong += 1
                    print(f"{begun}  WRONG: {error}", flush=True)
    emit("deploy-faults", wrong, UNIT, bar=BAR, better="lower", samples=TRIALS)


if __name__ == "__main__":
    main()
