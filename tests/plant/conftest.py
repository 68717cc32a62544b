"""What the plant's tests share."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import testinfra
from testinfra.host import Host

from tests.plant.inventory import Plant, connection, load_plant, under_test
from tests.plant.people import auditor, session

__all__ = ["auditor", "session"]


@pytest.fixture(scope="session")
def plant() -> Plant:
    """Return the plant under test."""
    return load_plant(under_test())


@pytest.fixture(scope="session")
def host(plant: Plant) -> Callable[[str], Host]:
    """Return a function from a host's name to a testinfra host."""

    @functools.cache
    def connect(name: str) -> Host:
        return testinfra.get_host(**connection(plant, name))

    return connect
