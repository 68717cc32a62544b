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

from tests.awx import Job
from tests.bluegreen.releases import Made, Releaser
from tests.plant.inventory import ROOT, Plant

# shorter than an engineer's: what is watched here has traffic enough, or none is needed
PACE = {
    "switchover_measure_seconds": 5,
    "switchover_share_seconds": 5,
    "switchover_watch_seconds": 12,
    "switchover_drain_seconds": 2,
}


OWN = {"PYTHONUNBUFFERED": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}

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
        self._plant, self._folder = plant, folder
        self._settings = {"plant_release_signers": {"test": releaser.public_key}} | pace

    def deploy(
        self,
        made: Made,
        change: str,
        *options: str,
        until: str = "",
        then: Callable[[], object] | None = None,
        meanwhile: Meanwhile | None = None,
    ) -> Run:
        """UNTIL: a task at whose beginning it is killed, or THEN is called. MEANWHILE is called beside it, with the way
        to kill it."""
        command = self._command("deploy", "-e", json.dumps(_asked(made, change)), *options)
        return _run(command, os.environ | OWN, until, then, meanwhile)

    def deploy_by_awx(self, made: Made, change: str) -> Run:
        """The same as a job of AWX, which keeps what must outlive it where this control node has it."""
        state = self._plant.folder / ".state"
        lasting = {
            "ansible_ssh_private_key_file": f"{state}/lab/id_ed25519",
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={state}/lab/known_hosts",
            "kojo_audit_directory": f"{state}/journal",
            "pki_authority_directory": f"{state}/pki",
        }
        job = Job(self._folder / "job", self._plant.folder, self._settings | lasting)
        return _run(job.command("deploy", **_asked(made, change)), job.environment())

    def rollback(self, *options: str) -> Run:
        return _run(self._command("rollback", *options), os.environ | OWN)

    def converge(self, *options: str) -> Run:
        return _run(self._command("site", *options), os.environ | OWN)

    def _command(self, playbook: str, *options: str) -> list[str]:
        program = Path(sys.executable).with_name("ansible-playbook")
        settings = json.dumps(self._settings)
        return [str(program), f"playbooks/{playbook}.yml", "-i", str(self._plant.folder), "-e", settings, *options]


def _asked(made: Made, change: str) -> dict[str, str]:
    return {"mes_version": made.name, "change_id": change, "kojo_mes_wheelhouse": str(made.folder)}


def _run(
    command: list[str],
    environment: dict[str, str],
    until: str = "",
    then: Callable[[], object] | None = None,
    meanwhile: Meanwhile | None = None,
) -> Run:
    output = ""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
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
                    (then or kill)()
        if beside:
            beside.result()  # what wasn't done to the run is no trial of it
    return Run(output, run.returncode)


def _kill(run: subprocess.Popen[str]) -> None:
    """The run and all that it started, with nothing said to them before."""
    if run.poll() is None:
        os.killpg(run.pid, signal.SIGKILL)
