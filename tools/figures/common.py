"""The one line that a figure ends with (design, section 11)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]


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


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
