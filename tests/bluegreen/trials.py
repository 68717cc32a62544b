"""Deploys that something happens to: whether the edges agree afterwards, the same command goes on, and the edges that
nothing happened to have answered every request."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bluegreen.desk import ROLES, Desk
from tests.bluegreen.disturbance import Disturbance, Kill
from tests.bluegreen.releases import Releaser
from tests.bluegreen.runs import Run, Runs
from tests.bluegreen.standing import traffic, version
from tests.faults.lab import Lab
from tests.load.people import people
from tests.plant.edges import decision
from tests.plant.inventory import attempt
from tests.wait import eventually

VERSIONS = ("0.5.0", "0.6.0")
# there are no regressions to be seen
PACE = {
    "switchover_measure_seconds": 2,
    "switchover_share_seconds": 3,
    "switchover_watch_seconds": 5,
    "switchover_drain_seconds": 2,
}
AGREED = 60.0  # seconds until the edges must agree


class Trials:
    """Two releases that take turns, each time under a change of its own."""

    def __init__(self, lab: Lab, desk: Desk, releaser: Releaser, runs: Runs) -> None:
        self._lab, self._desk, self._runs = lab, desk, runs
        self._turns = itertools.cycle([(each, releaser.make(each)) for each in VERSIONS])

    def undisturbed(self) -> float:
        """Deploy once; return the seconds. Raises AssertionError with what it said if it fails."""
        name, made = next(self._turns)
        began = time.monotonic()
        self._whole(self._runs.deploy(made, self._desk.approved(made.digest)), name)
        return time.monotonic() - began

    def disturbed(self, disturbance: Disturbance, instant: float) -> str:
        """Deploy, with the disturbance after INSTANT seconds; return how the run ended. AssertionError with what is
        not as it should be."""
        name, made = next(self._turns)
        change, lab = self._desk.approved(made.digest), self._lab

        def meanwhile(kill: Kill) -> None:
            time.sleep(instant)
            disturbance.do(lab, disturbance.edge, kill)

        with ExitStack() as stack:
            surviving = disturbance.surviving(lab)
            seen = {edge: stack.enter_context(traffic(lab.plant, lab.plant.address(edge))) for edge in surviving}
            run = self._runs.deploy(made, change, meanwhile=meanwhile)
            self._agreed()
            self._whole(self._runs.deploy(made, change), name)
        failed = {edge: requests.failed for edge, requests in seen.items() if requests.failed}
        assert not failed, f"surviving edges failed requests: {failed}"
        assert all(requests.answered for requests in seen.values())
        return "went through" if run.code == 0 else "was cut and went on"

    def _agreed(self) -> None:
        """All edges say that all decide alike, and it stands so on their disks."""
        for edge in self._lab.plant.groups["edge"]:
            status = functools.partial(attempt, self._lab.ssh(edge), "kojo-bluegreen status")
            eventually(status, lambda said: said.rc == 0, AGREED, f"{edge} sees edges that differ")
        decision(self._lab.plant, self._lab.ssh)

    def _whole(self, run: Run, name: str) -> None:
        assert run.code == 0, run.output[-3000:]
        assert version(self._lab.plant) == name


@contextmanager
def trials(lab: Lab, folder: Path) -> Iterator[Trials]:
    """Those who ask, decide and release are there meanwhile."""
    with people(lab, ROLES) as added:
        releaser = Releaser(folder)
        yield Trials(lab, Desk(lab, added), releaser, Runs(lab.plant, releaser, folder, PACE))
