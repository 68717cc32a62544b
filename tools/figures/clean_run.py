"""What figures share that run the Makefile as a stranger does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.figures.common import ROOT

# what an outer make or its user hands down
HANDED_DOWN = {
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
    "PLANT",
    "KOJO_PLANT",
    "ANSIBLE_CONFIG",
    "VIRTUAL_ENV",
}


def make(target: str, folder: Path, **more: str) -> None:
    """Run a target in FOLDER, without this repository's virtual environment; its output goes to standard error."""
    environment = {name: value for name, value in os.environ.items() if name not in HANDED_DOWN}
    own = str(ROOT / ".venv/bin")
    environment["PATH"] = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if part != own)
    subprocess.run(["make", target], cwd=folder, env=environment | more, stdout=sys.stderr, check=True)


def lab_traces() -> list[str]:
    """Return the containers and images of any lab on this machine."""
    if not shutil.which("podman"):
        return []
    lists = (
        ["ps", "--all", "--filter", "name=^kojo-", "--format", "{{.Names}}"],
        ["images", "--filter", "reference=localhost/kojo-lab", "--format", "{{.Repository}}:{{.Tag}}"],
    )
    enter = str(ROOT / "tools/lab/enter")
    outputs = [subprocess.run([enter, "podman", *rest], check=True, capture_output=True, text=True) for rest in lists]
    return [line for output in outputs for line in output.stdout.splitlines()]
