"""What the figures share: a plant to measure, and the one line that a figure ends with (design, section 11)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def running_plant() -> Iterator[None]:
    """A lab that isn't up is brought up for the measurement, and destroyed after it. A real plant has to be up."""
    folder = Path(os.environ.get("KOJO_PLANT", ROOT / "inventories/plant_a"))
    is_lab = (folder / "group_vars/all/lab.yml").exists()
    if not is_lab or (folder / ".state/lab/ready").exists():
        yield
        return
    try:
        _run("make", "plant", f"PLANT={folder}")
        yield
    finally:
        _run("tools/lab/enter", "molecule", "destroy")


def emit(
    figure: str, value: float, unit: str, bar: float, better: Literal["lower", "higher"], samples: int = 1
) -> None:
    """Print a measured figure with the machine's load and the commit that it was measured on."""
    line = {
        "figure": figure,
        "value": value,
        "unit": unit,
        "bar": bar,
        "better": better,
        "samples": samples,
        "load": round(os.getloadavg()[0], 2),
        "commit": _commit(),
    }
    print(json.dumps(line))


def _run(*command: str) -> None:
    # a figure's own output stays its own
    subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr)


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
