"""What the tests of a deploy share: somebody who releases, people who decide, a way to run the playbooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from testinfra.host import Host

from tests.bluegreen.desk import Desk
from tests.bluegreen.releases import Releaser
from tests.bluegreen.runs import Runs
from tests.faults.conftest import host, lab, plant
from tests.plant.inventory import Plant

__all__ = ["host", "lab", "plant"]


@pytest.fixture(scope="session")
def releaser(tmp_path_factory: pytest.TempPathFactory) -> Releaser:
    return Releaser(tmp_path_factory.mktemp("releases"))


@pytest.fixture(scope="session")
def desk(plant: Plant, host: Callable[[str], Host]) -> Iterator[Desk]:
    with ExitStack() as stack:
        yield Desk(plant, host, stack)


@pytest.fixture(scope="session")
def runs(plant: Plant, releaser: Releaser, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(plant, releaser, tmp_path_factory.mktemp("runs"))
