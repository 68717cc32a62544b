"""Switching on two real HAProxies, and what may happen to them meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.decision import Decision
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.haproxy_runtime import unix_socket

from .edges import TestEdge, make, wait


@pytest.fixture
def edges(tmp_path: Path) -> Iterator[dict[str, TestEdge]]:
    made = make(tmp_path)
    try:
        for edge in made.values():
            edge.start_haproxy()
        for edge in made.values():
            edge.start_agent()
        yield made
    finally:
        for edge in made.values():
            for what in list(edge.processes):
                edge.stop(what)


def serving(edges: dict[str, TestEdge]) -> dict[str, str]:
    return {name: edge.serves() for name, edge in edges.items()}


def test_back_and_back_again(edges: dict[str, TestEdge]) -> None:
    for wanted, generation in (("green", 2), ("blue", 3)):
        run = edges["edge1"].run("switch-back", "--reason", "the new one is slow")
        assert run.returncode == 0, run.stderr
        assert run.stdout.startswith(f"{wanted} serves (generation {generation}, ")
        assert serving(edges) == {"edge1": wanted, "edge2": wanted}
        assert {edge.recorded() for edge in edges.values()} == {Decision(wanted, 0, generation)}
    assert [event["new"]["active"] for event in edges["edge2"].history()] == ["green", "blue"]
    assert edges["edge2"].history()[0]["why"] == "the new one is slow"
    assert edges["edge2"].history()[0]["who"].endswith("@edge1")


def test_status_shows_every_edge(edges: dict[str, TestEdge]) -> None:
    run = edges["edge2"].run("status")
    assert run.returncode == 0, run.stdout
    assert [line.split()[:2] for line in run.stdout.splitlines()] == [["edge2", "blue"], ["edge1", "blue"]]
    edges["edge1"].stop("agent")
    run = edges["edge2"].run("status")
    assert run.returncode == 1
    assert "edge1        cannot be asked" in run.stdout


@pytest.mark.parametrize("what", ["reload", "restart", "kill"])
def test_a_decision_outlives_haproxy(edges: dict[str, TestEdge], what: str) -> None:
    assert edges["edge1"].run("switch-back", "--reason", "a test").returncode == 0
    edge = edges["edge1"]
    if what == "reload":
        edge.processes["haproxy"].send_signal(signal.SIGUSR2)
    else:
        edge.stop("haproxy", kill=what == "kill")
        edge.start_haproxy()
    wait(lambda: edge._answers() and edge.serves() == "green", "HAProxy came back with another decision")


def test_an_edge_that_was_away_takes_over_what_was_decided(edges: dict[str, TestEdge]) -> None:
    edges["edge2"].stop("agent", kill=True)
    run = edges["edge1"].run("switch-back", "--reason", "edge2 is away")
    assert (run.returncode, "edge2 will take it over" in run.stdout) == (0, True), run.stderr
    assert serving(edges) == {"edge1": "green", "edge2": "blue"}
    edges["edge2"].start_agent()
    wait(lambda: edges["edge2"].serves() == "green", "edge2 did not follow")
    assert edges["edge2"].recorded() == edges["edge1"].recorded()


def test_what_haproxy_was_told_past_the_agent_is_mended(edges: dict[str, TestEdge]) -> None:
    edge = edges["edge1"]
    assert unix_socket(f"{edge.folder}/admin.sock", 5)(f"set map {edge.map_file} active green").strip() == ""
    wait(lambda: edge.serves() == "blue", "HAProxy serves by what nobody decided")
