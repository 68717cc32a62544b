"""The module, as Ansible runs it, on two real edges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kojo.plant.tests.unit.plugins.bluegreen_edges import TestEdge, run_module, running

Edges = dict[str, TestEdge]


@pytest.fixture
def edges(tmp_path: Path) -> Iterator[Edges]:
    with running(tmp_path) as edges:
        yield edges


def run(edges: Edges, check: bool = False, **options: object) -> dict[str, Any]:
    given = {"owner": "change-42", "reason": "1.4.0", "settings": str(edges["edge2"].settings), **options}
    return run_module("bluegreen", check=check, **given)


def generations(edges: Edges) -> list[int]:
    return [edge.recorded().generation for edge in edges.values()]


def test_check_mode_tells_and_does_nothing(edges: Edges) -> None:
    told = run(edges, check=True, active="green")
    assert (told["changed"], told["active"], told["generation"]) == (True, "green", 2)
    assert generations(edges) == [1, 1]
    assert run(edges, check=True, active="blue")["changed"] is False


def test_what_check_mode_tells_is_what_is_done_once(edges: Edges) -> None:
    told, done, again = run(edges, check=True, active="green"), run(edges, active="green"), run(edges, active="green")
    assert told["diff"] == done["diff"]
    assert done["diff"]["after"] == edges["edge1"].map_file.read_text()
    assert (done["changed"], again["changed"], again["generation"]) == (True, False, 2)
    assert run(edges, check=True, active="green")["changed"] is False
    assert [edge.serves() for edge in edges.values()] == ["green", "green"]


def test_a_canary_and_its_end(edges: Edges) -> None:
    assert run(edges, active="blue", canary=10)["canary"] == 10
    assert [edge.recorded().canary for edge in edges.values()] == [10, 10]
    rolled_back = run(edges, state="rolled_back")
    assert (rolled_back["changed"], rolled_back["active"], rolled_back["canary"]) == (True, "blue", 0)
    assert run(edges, state="rolled_back")["changed"] is False


def test_what_is_prepared_is_served_when_it_is_committed(edges: Edges) -> None:
    assert run(edges, state="prepared", active="green")["generation"] == 2
    assert [edge.serves() for edge in edges.values()] == ["blue", "blue"]
    other = run(edges, active="green", owner="somebody")
    assert "change-42 has the lock" in other["msg"]
    assert run(edges, active="green")["generation"] == 2
    assert [edge.serves() for edge in edges.values()] == ["green", "green"]
    assert run(edges, state="rolled_back")["changed"] is False
    assert run(edges, active="blue", owner="somebody")["changed"] is True, "the edges were let go"


@pytest.mark.parametrize(("options", "message"), [({}, "active"), ({"active": "blue", "canary": 101}, "0 to 100")])
def test_bad_input_is_named(edges: Edges, options: dict[str, Any], message: str) -> None:
    assert message in run(edges, **options)["msg"]
    assert generations(edges) == [1, 1]


def test_an_edge_that_is_away_stands_against_it(edges: Edges) -> None:
    edges["edge1"].stop("agent")
    assert run(edges, active="green")["msg"].startswith("edge1: ")
    assert run(edges, active="green", all_edges=False)["changed"] is True
