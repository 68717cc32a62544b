"""Switching on two real HAProxies, and what may happen to them meanwhile."""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.decision import Decision
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.haproxy_runtime import unix_socket
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.wire import Peer, Told, ask_here
from ansible_collections.kojo.plant.tests.unit.plugins.bluegreen_edges import COLLECTIONS, TestEdge, running, wait


@pytest.fixture
def edges(tmp_path: Path) -> Iterator[dict[str, TestEdge]]:
    with running(tmp_path) as edges:
        yield edges


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


def test_nobody_goes_back_to_a_colour_that_is_down(edges: dict[str, TestEdge]) -> None:
    for edge in edges.values():
        unix_socket(f"{edge.folder}/admin.sock", 5)("disable server green/self")
    run = edges["edge1"].run("switch-back", "--reason", "a test")
    assert (run.returncode, "edge1, edge2: no server of green is up, so" in run.stderr) == (1, True)
    assert serving(edges) == {"edge1": "blue", "edge2": "blue"}
    assert edges["edge1"].run("switch-back", "--reason", "a test", "--force").returncode == 0
    assert {edge.recorded().active for edge in edges.values()} == {"green"}


@pytest.mark.parametrize("knows", ["edge1", "edge2"])
def test_one_edge_that_sees_the_colour_down_is_enough(edges: dict[str, TestEdge], knows: str) -> None:
    """The other one hasn't looked yet since it went down."""
    unix_socket(f"{edges[knows].folder}/admin.sock", 5)("disable server green/self")
    run = edges["edge1"].run("switch-back", "--reason", "a test")
    assert (run.returncode, f" {knows}: no server of green is up, so" in run.stderr) == (1, True), run.stderr
    assert serving(edges) == {"edge1": "blue", "edge2": "blue"}
    edges["edge2"].stop("agent")
    run = edges["edge1"].run("switch-back", "--reason", "a test")
    assert run.returncode == (1 if knows == "edge1" else 0), "an edge that doesn't answer says nothing of it"


def test_when_no_edge_can_ask_its_haproxy_nothing_is_switched(edges: dict[str, TestEdge]) -> None:
    for edge in edges.values():
        edge.stop("haproxy")
    run = edges["edge1"].run("switch-back", "--reason", "a test")
    assert (run.returncode, "no edge says whether a server of green is up: edge1: " in run.stderr) == (1, True)
    assert {edge.recorded().generation for edge in edges.values()} == {1}


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
        before = edge.worker()
        edge.processes["haproxy"].send_signal(signal.SIGUSR2)
        wait(lambda: edge.worker() not in (None, before), "HAProxy did not reload")
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


def ask(edge: TestEdge, **request: object) -> dict[str, Any]:
    return asyncio.run(ask_here(f"{edge.folder}/agent.sock", 10, request))


def test_of_two_owners_one_is_refused_and_told_by_whom(edges: dict[str, TestEdge]) -> None:
    ask(edges["edge2"], do="lock", owner="tanaka@control", seconds=30)
    run = edges["edge1"].run("switch-back", "--reason", "a test")
    assert run.returncode == 1
    assert re.search(r"edge2: tanaka@control has the lock for another (30|[12]\d) s", run.stderr), run.stderr
    assert serving(edges) == {"edge1": "blue", "edge2": "blue"}
    assert ask(edges["edge1"], do="state")["lock"] is None, "what was locked is free again"


def test_an_owner_whose_lock_went_to_another_is_fenced_off(edges: dict[str, TestEdge]) -> None:
    edge = edges["edge1"]
    late = ask(edge, do="lock", owner="late", seconds=0.5)["token"]
    ask(edge, do="prepare", token=late, why="", decision={"active": "green", "canary": 0, "generation": 2})
    wait(lambda: ask(edge, do="state")["lock"] is None, "the lock did not expire")
    assert ask(edge, do="lock", owner="next", seconds=30)["token"] == late + 1
    for request in ({"do": "commit", "at": time.time() + 0.2}, {"do": "abandon"}):
        with pytest.raises(Told, match=rf"next has the lock \(token {late + 1}\), not token {late}"):
            ask(edge, token=late, **request)
    with pytest.raises(Told, match="nothing is prepared under this token"):
        ask(edge, do="commit", token=late + 1, at=time.time() + 0.2)
    assert edge.serves() == "blue"


@pytest.mark.parametrize("away", [-3600, 3600])
def test_a_clock_that_is_far_off_keeps_no_edge_behind(edges: dict[str, TestEdge], away: float) -> None:
    edge = edges["edge1"]
    token = ask(edge, do="lock", owner="next", seconds=30)["token"]
    ask(edge, do="prepare", token=token, why="", decision={"active": "green", "canary": 0, "generation": 2})
    begun = time.time()
    assert begun <= ask(edge, do="commit", token=token, at=begun + away)["committed"] < begun + 8
    assert edge.serves() == "green"


def test_a_decision_that_is_not_newer_is_refused(edges: dict[str, TestEdge]) -> None:
    edge = edges["edge1"]
    token = ask(edge, do="lock", owner="late", seconds=30)["token"]
    with pytest.raises(Told, match="generation 1 holds; 1 is not newer"):
        ask(edge, do="prepare", token=token, why="", decision={"active": "blue", "canary": 0, "generation": 1})


def test_one_edge_that_cannot_prepare_stands_against_it(edges: dict[str, TestEdge]) -> None:
    edges["edge2"].stop("haproxy")
    run = edges["edge1"].run("switch-back", "--reason", "a test")
    assert (run.returncode, "not prepared: edge2: " in run.stderr) == (1, True), run.stderr
    assert edges["edge1"].serves() == "blue"
    assert {edge.recorded().generation for edge in edges.values()} == {1}
    assert not list(edges["edge1"].folder.glob("colour.map.*")), "drafts are left"


@pytest.mark.parametrize("seed", range(6))
def test_whatever_dies_meanwhile_both_edges_agree_in_the_end(edges: dict[str, TestEdge], seed: int) -> None:
    """A random part of a random edge is killed at a random instant of a switch."""
    chance = random.Random(seed)  # noqa: S311
    switching = subprocess.Popen(edges["edge1"].command("switch-back", "--reason", "chaos"), cwd=COLLECTIONS)
    time.sleep(chance.uniform(0, 1.0))
    edge, what = edges[chance.choice(["edge1", "edge2"])], chance.choice(["haproxy", "agent"])
    edge.stop(what, kill=True)
    switching.wait(30)
    edge.start_haproxy() if what == "haproxy" else edge.start_agent()
    wait(lambda: len({edge.recorded() for edge in edges.values()}) == 1, "the edges' files differ")
    agreed = edges["edge1"].recorded().active
    wait(lambda: serving(edges) == {"edge1": agreed, "edge2": agreed}, "the edges serve by different decisions")


def test_a_stranger_is_not_answered(edges: dict[str, TestEdge]) -> None:
    """A certificate of the plant's CA is not enough: it must name another edge."""
    edge = edges["edge1"]
    context = ssl.create_default_context(cafile=edge.folder / "ca.crt")
    context.load_cert_chain(edge.folder / "host.crt", edge.folder / "host.key")  # edge1 is no peer of its own
    peer = Peer("edge1", edge.address, json.loads(edge.settings.read_text())["port"])
    with pytest.raises(Told, match="this certificate may not ask here"):
        asyncio.run(peer.ask(context, 5, {"do": "state"}))


def test_a_renewed_certificate_is_shown_after_a_reload(edges: dict[str, TestEdge]) -> None:
    asked, asking = edges.values()
    context = ssl.create_default_context(cafile=asking.folder / "ca.crt")
    context.load_cert_chain(asking.folder / "host.crt", asking.folder / "host.key")
    port = json.loads(asked.settings.read_text())["port"]

    def shown() -> bytes | None:
        connection = socket.create_connection((asked.address, port), 5)
        with context.wrap_socket(connection, server_hostname=asked.name) as tls:
            return tls.getpeercert(binary_form=True)

    before = shown()
    asked.certify()
    assert shown() == before, "nothing has told the agent yet"
    asked.processes["agent"].send_signal(signal.SIGHUP)
    wait(lambda: shown() != before, "the old certificate is still shown")


def test_metrics_tell_what_is_served(edges: dict[str, TestEdge]) -> None:
    edges["edge1"].run("switch-back", "--reason", "a test")
    paths = [edge.folder / "bluegreen.prom" for edge in edges.values()]
    told = "kojo_bluegreen_generation 2\n"
    wait(lambda: all(told in path.read_text() for path in paths), "no metric of the new decision")
    assert all('kojo_bluegreen_active{colour="green"} 1\n' in path.read_text() for path in paths)
