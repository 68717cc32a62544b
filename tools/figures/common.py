"""What the figures share: a plant to measure, and the one line that a figure ends with (design, section 11)."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]


class Unmeasurable(SystemExit):
    """Why there is no figure: said on standard error, exit code 1."""


def inventory() -> Path:
    """Return the inventory of the plant under test: KOJO_PLANT, or plant_a."""
    return Path(os.environ.get("KOJO_PLANT", ROOT / "inventories/plant_a"))


def lab_is_up(folder: Path) -> bool:
    """Return whether FOLDER's plant runs in containers on this machine now."""
    return (folder / ".state/lab/ready").exists()


def answers(folder: Path) -> bool:
    """Return whether the service answers at the plant's virtual address, with a certificate of the plant's CA."""
    address = yaml.safe_load((folder / "group_vars/all/plant.yml").read_text(encoding="utf-8"))["plant_virtual_address"]
    try:
        trusted = ssl.create_default_context(cafile=folder / ".state/pki/ca.crt")
        connection = http.client.HTTPSConnection(address, timeout=3, context=trusted)
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


@contextmanager
def running_plant() -> Iterator[None]:
    """A lab that isn't up is brought up for the measurement, and destroyed after it. A real plant has to be up."""
    folder = inventory()
    is_lab = (folder / "group_vars/all/lab.yml").exists()
    if not is_lab or lab_is_up(folder):
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


class Measured(NamedTuple):
    """What a benchmark answers."""

    value: float
    samples: int


def service_benchmark(name: str) -> Measured:
    """Run a benchmark of the service, which needs no lab: its last line of output is its answer."""
    command = [ROOT / ".venv-service/bin/python", ROOT / f"service/benchmarks/{name}.py"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Unmeasurable(f"{name}: the benchmark failed, exit code {done.returncode}")
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _run(*command: str) -> None:
    # a figure's own output stays its own
    subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr)


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
