"""HAProxy refuses a command on one edge, in each of the words that it has for that (src/map.c, src/cli.c, src/stats.c
and src/server.c of 2.6 and 3.0): the module says which, and the edges agree on what held before."""

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
OF_SERVER = ("Permission denied", "Require 'backend/server'.", "No such backend.", "No such server.")
OF_STATISTICS = ("Permission denied", "No such proxy.", "")


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, TestEdge]]:
    with running(tmp_path_factory.mktemp("edges")) as edges:
        yield edges


@pytest.fixture(scope="module")
def haproxy(edges: dict[str, TestEdge]) -> Iterator[Refusing]:
    with refusing(edges["edge2"]) as server:
        yield server


def switch(edges: dict[str, TestEdge], active: str, drain: int | None = None) -> dict[str, Any]:
    settings = str(edges["edge1"].settings)
    return run_module("bluegreen", owner="change-42", reason="a test", settings=settings, active=active, drain=drain)


def refused(edges: dict[str, TestEdge], haproxy: Refusing, command: str, reply: str) -> str:
    """Refuse the command; return what the module said. Afterwards, with nothing refused, the edges are as before."""
    haproxy.replies = {command: reply}
    try:
        answer = switch(edges, "green")
    finally:
        haproxy.replies = {}
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


@pytest.fixture
def session(edges: dict[str, TestEdge], haproxy: Refusing) -> Iterator[dict[str, str]]:
    """The replies by which edge2 has a session at blue that doesn't end; afterwards blue serves."""
    command = "show stat blue 4 -1"
    names, values = haproxy.ask(command).strip().splitlines()
    row = dict(zip(names.split(","), values.split(","), strict=True)) | {"scur": "1"}
    haproxy.replies, haproxy.asked = {command: f"{names}\n{','.join(row.values())}"}, []
    yield haproxy.replies
    haproxy.replies = {}
    switch(edges, "blue")


def test_a_session_that_does_not_end_is_ended_when_the_time_is_over(
    edges: dict[str, TestEdge], haproxy: Refusing, session: dict[str, str]
) -> None:
    drained = switch(edges, "green", drain=1)
    assert (drained["changed"], drained["ended_sessions"]) == (True, 1)
    assert "shutdown sessions server blue/self" in haproxy.asked
    looks = [command for command in haproxy.asked if command in session]
    assert len(looks) > 2, "it was waited for"


def test_nothing_is_ended_where_nothing_is_left(edges: dict[str, TestEdge], haproxy: Refusing) -> None:
    haproxy.asked = []
    assert switch(edges, "green", drain=1)["ended_sessions"] == 0
    assert switch(edges, "blue")["changed"]
    assert not [command for command in haproxy.asked if command.startswith("shutdown")]


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        *(("shutdown sessions server blue/self", reply) for reply in OF_SERVER),
        *(("show stat blue 4 -1", reply) for reply in OF_STATISTICS),
    ],
)
def test_sessions_that_cannot_be_counted_or_ended_are_told(
    edges: dict[str, TestEdge], session: dict[str, str], command: str, reply: str
) -> None:
    session[command] = reply
    assert switch(edges, "green", drain=0)["msg"] == f"edge2: {command}: {reply}"
