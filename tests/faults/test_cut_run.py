"""A host goes away in the middle of a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.faults.conftest import Podman
from tests.faults.lab import Lab
from tests.plant.inventory import ROOT, Plant

STAGE = "PLAY [Databases and caches]"
NEXT_STAGE = "PLAY [Backup]"


def test_a_run_that_is_cut_stops_before_the_next_stage_and_says_where(lab: Lab, plant: Plant, podman: Podman) -> None:
    lost = plant.groups["database"][-1]
    seen = ""
    with subprocess.Popen(
        [Path(sys.executable).parent / "ansible-playbook", "site.yml", "-i", plant.folder],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},  # into a pipe, Ansible would tell of a stage long after it
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            seen += line
            if line.startswith(STAGE):
                podman("pause", lost)
    try:
        assert run.returncode != 0
        assert f"fatal: [{lost}]: UNREACHABLE!" in seen or f"[{lost}]: UNREACHABLE" in seen, seen[-3000:]
        assert NEXT_STAGE not in seen, "the run went on without a host of this stage"
    finally:
        podman("unpause", lost)
    lab.await_whole(180)
