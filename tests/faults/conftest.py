"""Faults are done to the lab's containers, and looked at from hosts that are left alone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest
from testinfra.host import Host

from tests.faults.lab import Lab
from tests.plant.conftest import host, plant
from tests.plant.inventory import ROOT, Plant

__all__ = ["host", "lab", "plant", "podman"]

Podman = Callable[..., None]


@pytest.fixture(scope="session")
def podman(plant: Plant) -> Podman:
    """Return a function that does something to the containers of hosts: podman("kill", "db1", "edge1")."""

    def run(verb: str, *hosts: str) -> None:
        names = [f"kojo-{plant.vars['plant_id']}-{name}" for name in hosts]
        subprocess.run([ROOT / "tools/lab/enter", "podman", verb, *names], check=True, capture_output=True, text=True)

    return run


@pytest.fixture(scope="session")
def lab(plant: Plant, host: Callable[[str], Host]) -> Lab:
    """Return who leads now, as the living hosts tell."""
    return Lab(plant, host)
