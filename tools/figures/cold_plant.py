"""From `git clone` to the service's answer at the virtual address, by `make plant` alone.

In a folder of its own, with nothing but Debian's packages there before: virtual environments, lab image, apt cache and
the service's wheels are all made. `make clean` then takes everything away again.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from tools.figures.clean_run import lab_traces, make
from tools.figures.common import ROOT, Unmeasurable, answers, emit

BAR = 20
AIM = 10
UNIT = "min"
PATIENCE = 60.0


def main() -> None:
    if traces := lab_traces():
        raise Unmeasurable(
            f"cold-plant: {', '.join(traces)} is there already, so nothing is cold; run `make clean` first"
        )
    with tempfile.TemporaryDirectory(prefix="kojo-cold-") as folder:
        clone = Path(folder) / "kojo"
        started = time.monotonic()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        try:
            # pip keeps what it downloads in the user's own folder
            make("plant", clone, PIP_NO_CACHE_DIR="1")
            deadline = time.monotonic() + PATIENCE
            while not answers(clone / "inventories/plant_a"):
                if time.monotonic() > deadline:
                    raise Unmeasurable(f"cold-plant: no answer {PATIENCE:.0f} s after `make plant`")
                time.sleep(0.5)
            seconds = time.monotonic() - started
        finally:
            make("clean", clone)
    emit("cold-plant", round(seconds / 60, 2), UNIT, bar=BAR, better="lower")


if __name__ == "__main__":
    main()
