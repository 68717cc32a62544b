"""HAProxy refuses a command on one edge, in each of the words that it has for that (src/map.c and src/cli.c of 2.6 and
3.0): the module says which, and the edges agree on what held before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.kojo.plant.tests.unit.plugins.bluegreen_edges import TestEdge, run_module, running, wait
from ansible_collections.kojo.plant.tests.unit.plugins.haproxy_that_refuses import Refusing, refusing

UNKNOWN_MAP = "Unknown map identifier. Please use #<id> or <file>."
OF_ANY = ("Permission denied", "Unknown command. Please enter one of the following commands only:", UNKNOWN_MAP)
OF_PREPARE = (*OF_ANY, "Missing map identifier.", "")
OF_ADD = (
    *OF_ANY,
    "'add map' expects three parameters (map identifier, key and value)"
    " or one parameter (map identifier) and a payload",
    "Version number in the future, please use 'prepare map' before.",
    "Missing value for key 'active'.",
    "Failed to add a key.",
)
OF_COMMIT = (*OF_ANY, "Missing version number.", "Missing map identifier.", "Version number out of range.")


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, TestEdge]]:
    with running(tmp_path_factory.mktemp("edges")) as edges:
        yield edges


@pytest.fixture(scope="module")
def haproxy(edges: dict[str, TestEdge]) -> Iterator[Refusing]:
    with refusing(edges["edge2"]) as server:
        yield server


def switch(edges: dict[str, TestEdge], active: str) -> dict[str, Any]:
    settings = str(edges["edge1"].settings)
    return run_module("bluegreen", owner="change-42", reason="a test", settings=settings, active=active)


def refused(edges: dict[str, TestEdge], haproxy: Refusing, command: str, reply: str) -> str:
    """Refuse the command; return what the module said. Afterwards, with nothing refused, the edges are as before."""
    haproxy.refused, haproxy.reply = command, reply
    try:
        answer = switch(edges, "green")
    finally:
        haproxy.refused = ""
    assert answer.get("failed"), answer
    wait(lambda: len({edge.recorded() for edge in edges.values()}) == 1, "the edges differ")
    wait(lambda: {edge.serves() for edge in edges.values()} == {"blue"}, "not as before")
    assert {edge.recorded().active for edge in edges.values()} == {"blue"}
    assert not [path for edge in edges.values() for path in edge.folder.glob("colour.map.*")]
    return str(answer["msg"])


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        *(("prepare map", reply) for reply in OF_PREPARE),
        *(("add map", reply) for reply in OF_ADD),
        *(("show map @", reply) for reply in OF_ANY),
    ],
)
def test_what_cannot_be_prepared_is_served_nowhere(
    edges: dict[str, TestEdge], haproxy: Refusing, command: str, reply: str
) -> None:
    before = {edge.recorded() for edge in edges.values()}
    said = refused(edges, haproxy, command, reply)
    assert "not prepared: edge2" in said
    assert f"{command.removesuffix(' @')} " in said
    assert reply in said
    assert {edge.recorded() for edge in edges.values()} == before


@pytest.mark.parametrize("reply", OF_COMMIT)
def test_what_cannot_be_committed_everywhere_is_taken_back(
    edges: dict[str, TestEdge], haproxy: Refusing, reply: str
) -> None:
    said = refused(edges, haproxy, "commit map", reply)
    assert "not committed everywhere, so taken back: edge2" in said
    assert reply in said


def test_without_a_refusal_it_switches(edges: dict[str, TestEdge], haproxy: Refusing) -> None:
    assert switch(edges, "green")["changed"]
    assert {edge.serves() for edge in edges.values()} == {"green"}
    assert switch(edges, "blue")["changed"]
