"""`make test`: wall time of everything that guards a change.

The virtual environments are there already, as in a day's work.
"""

from __future__ import annotations

import time

from tools.figures.clean_run import make
from tools.figures.common import ROOT, Unmeasurable, emit, inventory, lab_is_up

BAR = 60
AIM = 45
UNIT = "min"


def main() -> None:
    if lab_is_up(inventory()):
        raise Unmeasurable("test-time: a lab is up, and `make test` makes its own of it; run `make clean` first")
    started = time.monotonic()
    make("test", ROOT)
    emit("test-time", round((time.monotonic() - started) / 60, 2), UNIT, bar=BAR, better="lower")


if __name__ == "__main__":
    main()
