"""The operator's command on the edges: which colour serves, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from testinfra.host import Host

from tests.plant import edges
from tests.plant.inventory import Plant

UNIT = "kojo-mes-api@{}"


def status(plant: Plant, host: Callable[[str], Host]) -> str:
    return str(host(plant.groups["edge"][0]).check_output("kojo-bluegreen status"))


@contextmanager
def idle_colour(plant: Plant, host: Callable[[str], Host], *, up: bool) -> Iterator[str]:
    """The colour that doesn't serve, up or down for as long as the block lasts. After a deploy it is up by itself."""
    colour = edges.OTHER[edges.decision(plant, host)["active"]]
    unit = UNIT.format(colour)
    was_up = host(plant.groups["app"][0]).service(unit).is_running

    def turn(up: bool) -> None:
        for name in plant.groups["app"]:
            host(name).check_output(f"systemctl {'start' if up else 'stop'} {unit}")
        edges.seen(plant, host, colour, up=up)

    turn(up)
    yield colour
    if f" {colour} " in status(plant, host):  # a test that failed half-way leaves the plant serving
        host(plant.groups["edge"][0]).check_output("kojo-bluegreen switch-back --reason 'the end of a test'")
    turn(was_up)


@pytest.fixture
def idle(plant: Plant, host: Callable[[str], Host]) -> Iterator[str]:
    with idle_colour(plant, host, up=True) as colour:
        yield colour


@pytest.fixture
def down(plant: Plant, host: Callable[[str], Host]) -> Iterator[str]:
    with idle_colour(plant, host, up=False) as colour:
        yield colour


def test_the_edges_agree(plant: Plant, host: Callable[[str], Host]) -> None:
    told = [line.split() for line in status(plant, host).splitlines()]
    assert {words[0] for words in told} == set(plant.groups["edge"])
    assert len({tuple(words[1:]) for words in told}) == 1, told
    for name in plant.groups["edge"]:
        assert edges.unit(host(name), "kojo-bluegreen")["UnitFileState"] == "enabled"
        assert edges.exposure(host(name), "kojo-bluegreen") <= 2.0
        assert not host(name).file("/run/kojo-bluegreen/behind").exists


def test_an_operator_goes_to_the_other_colour_and_back(plant: Plant, host: Callable[[str], Host], idle: str) -> None:
    edge = host(plant.groups["edge"][-1])
    with edges.client(plant) as client:
        for wanted in (idle, edges.OTHER[idle]):
            told = edge.check_output("kojo-bluegreen switch-back --reason 'a test of the plant'")
            assert told.startswith(f"{wanted} serves (generation "), told
            assert client.get("/health").status_code == 200
            assert edges.decision(plant, host)["active"] == wanted


def test_nobody_goes_back_to_a_colour_that_is_down(plant: Plant, host: Callable[[str], Host], down: str) -> None:
    told = host(plant.groups["edge"][0]).run("kojo-bluegreen switch-back --reason 'a test of the plant'")
    assert told.rc == 1
    assert f"no server of {down} is up, so nothing was switched" in told.stderr
