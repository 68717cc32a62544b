"""playbooks/deploy.yml and rollback.yml as an engineer runs them, whole or until they are cut."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bluegreen.releases import Made, Releaser
from tests.plant.inventory import ROOT, Plant

# shorter than an engineer's: what is watched here has traffic enough, or none is needed
PACE = {
    "switchover_measure_seconds": 5,
    "switchover_share_seconds": 5,
    "switchover_watch_seconds": 12,
    "switchover_drain_seconds": 2,
}


Meanwhile = Callable[[Callable[[], None]], None]


class Run:
    """What a run said, and how it ended."""

    def __init__(self, output: str, code: int) -> None:
        self.output, self.code = output, code

    @property
    def changed(self) -> int:
        """How many tasks changed something, on all hosts."""
        return sum(int(count) for count in re.findall(r"changed=(\d+)", self.output.split("PLAY RECAP")[-1]))


class Runs:
    """Runs of playbooks against the plant, with the keys that RELEASER has."""

    def __init__(self, plant: Plant, releaser: Releaser, folder: Path, pace: dict[str, int] = PACE) -> None:
        self._plant = plant
        self._variables = folder / "variables.json"
        settings = {"plant_release_signers": {"test": releaser.public_key}} | pace
        self._variables.write_text(json.dumps(settings), encoding="utf-8")

    def deploy(
        self, made: Made, change: str, *options: str, until: str = "", meanwhile: Meanwhile | None = None
    ) -> Run:
        """UNTIL: a task at whose beginning it is killed. MEANWHILE is called beside it, with the way to kill it."""
        given = {"mes_version": made.name, "change_id": change, "kojo_mes_wheelhouse": str(made.folder)}
        return self._run("deploy", "-e", json.dumps(given), *options, until=until, meanwhile=meanwhile)

    def rollback(self, *options: str) -> Run:
        return self._run("rollback", *options)

    def _run(self, playbook: str, *options: str, until: str = "", meanwhile: Meanwhile | None = None) -> Run:
        program = Path(sys.executable).with_name("ansible-playbook")
        given = ["-i", str(self._plant.folder), "-e", f"@{self._variables}", *options]
        output = ""
        with subprocess.Popen(
            [str(program), f"playbooks/{playbook}.yml", *given],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as run:
            assert run.stdout is not None
            kill = functools.partial(_kill, run)
            with ThreadPoolExecutor(1) as pool:
                beside = pool.submit(meanwhile, kill) if meanwhile else None
                for line in run.stdout:
                    output += line
                    if until and line.startswith("TASK [") and until in line:
                        kill()
            if beside:
                beside.result()  # what wasn't done to the run is no trial of it
        return Run(output, run.returncode)


def _kill(run: subprocess.Popen[str]) -> None:
    """The run and all that it started, with nothing said to them before."""
    if run.poll() is None:
        os.killpg(run.pid, signal.SIGKILL)
