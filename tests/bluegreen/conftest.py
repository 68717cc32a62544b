"""What the tests of a deploy share: somebody who releases, people who decide, a way to run the playbooks."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.bluegreen.desk import ROLES, Desk
from tests.bluegreen.releases import Releaser
from tests.bluegreen.runs import Runs
from tests.faults.conftest import host, lab, plant
from tests.faults.lab import Lab
from tests.load.people import people
from tests.plant.inventory import Plant

__all__ = ["host", "lab", "plant"]

SHORT = bool(os.environ.get("KOJO_SHORT"))  # one cut instead of all, no faults: docs/blue-green.md


@pytest.fixture(scope="session")
def releaser(tmp_path_factory: pytest.TempPathFactory) -> Releaser:
    return Releaser(tmp_path_factory.mktemp("releases"))


@pytest.fixture(scope="session")
def desk(lab: Lab) -> Iterator[Desk]:
    with people(lab, ROLES) as added:
        yield Desk(lab, added)


@pytest.fixture(scope="session")
def runs(plant: Plant, releaser: Releaser, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(plant, releaser, tmp_path_factory.mktemp("runs"))
