"""Playbooks of the tests, and what their tasks said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.plant.inventory import ROOT, Plant

HERE = Path(__file__).parent


def play(plant: Plant, playbook: str, **variables: object) -> dict[str, dict[str, Any]]:
    """Run a playbook of this folder; return each task's result on the one host that it ran on. A playbook that fails
    raises RuntimeError with what it said."""
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(plant.folder)]
    done = subprocess.run(
        [*command, str(HERE / playbook), "-e", json.dumps(variables)],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{playbook}: exit code {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    report, _end = json.JSONDecoder().raw_decode(done.stdout, done.stdout.index("{"))  # other callbacks speak too
    return {task["task"]["name"]: next(iter(task["hosts"].values())) for task in report["plays"][0]["tasks"]}
