"""The line that each benchmark ends with (design, section 11)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Literal


def emit(figure: str, value: float, unit: str, bar: float, better: Literal["lower", "higher"], samples: int) -> None:
    """Print the figure with the machine's load and the commit, or what differs from it, that was measured."""
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
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    folder = Path(__file__).parent
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder).stdout.strip()
