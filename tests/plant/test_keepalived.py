"""The virtual address: one edge holds it, whatever dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest
from testinfra.host import Host

from tests.plant import edges
from tests.plant.inventory import Plant
from tests.wait import eventually

# generous for a machine that runs ten hosts on two cores; the drills measure the real time
PATIENCE = 30


def answers(plant: Plant) -> bool:
    with edges.client(plant) as client:
        try:
            return client.get("/health").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def holder(plant: Plant, host: Callable[[str], Host]) -> Iterator[str]:
    """The edge that has the address; both edges run again afterwards."""
    eventually(lambda: len(edges.holders(plant, host)) == 1, bool, PATIENCE, "one edge has the address")
    yield edges.holders(plant, host)[0]
    for name in plant.groups["edge"]:
        host(name).check_output("systemctl start haproxy keepalived")
    eventually(lambda: answers(plant), bool, PATIENCE, "the service answers again")


def test_one_edge_holds_the_address(plant: Plant, host: Callable[[str], Host]) -> None:
    assert len(edges.holders(plant, host)) == 1


def test_the_address_leaves_an_edge_that_does_not_serve(plant: Plant, host: Callable[[str], Host], holder: str) -> None:
    host(holder).check_output("systemctl stop haproxy")
    others = set(plant.groups["edge"]) - {holder}
    eventually(lambda: set(edges.holders(plant, host)) <= others, bool, PATIENCE, "the address left")
    eventually(lambda: answers(plant), bool, PATIENCE, "the service answers at another edge")
    (successor,) = edges.holders(plant, host)

    host(holder).check_output("systemctl start haproxy")
    served = "journalctl --unit keepalived --lines 5 --output cat | grep 'Entering BACKUP STATE'"
    eventually(lambda: host(holder).run(served).succeeded, bool, PATIENCE, "the old holder is ready again")
    assert edges.holders(plant, host) == [successor], "an edge that comes back must not move the address"


def test_the_service_outlives_a_killed_haproxy(plant: Plant, host: Callable[[str], Host], holder: str) -> None:
    host(holder).check_output("systemctl kill --signal=KILL haproxy")
    eventually(lambda: answers(plant), bool, PATIENCE, "the service answers")


def test_a_killed_keepalived_leaves_no_address_behind(plant: Plant, host: Callable[[str], Host], holder: str) -> None:
    host(holder).check_output("systemctl kill --signal=KILL keepalived")
    successor = set(plant.groups["edge"]) - {holder}
    eventually(lambda: set(edges.holders(plant, host)) == successor, bool, PATIENCE, "another edge alone has it")
    eventually(lambda: answers(plant), bool, PATIENCE, "the service answers")


def test_keepalived_has_no_more_rights_than_it_needs(plant: Plant, host: Callable[[str], Host]) -> None:
    for name in plant.groups["edge"]:
        assert edges.unit(host(name), "keepalived")["UnitFileState"] == "enabled"
        assert edges.exposure(host(name), "keepalived") <= 3.0
