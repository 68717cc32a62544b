"""The watch on two real HAProxies with real traffic: the module as Ansible runs it, and its loop at a faster pace."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen import watch as watching
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.command import edges as ways
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.daemon import Settings
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.decision import Decision
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.haproxy_runtime import unix_socket
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.regression import Limits
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.service_level import ServiceLevel
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.traffic import Traffic
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.watch import Watch, Watched
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.wire import Unreachable, ask_here
from ansible_collections.kojo.plant.tests.unit.plugins.bluegreen_edges import (
    TestEdge,
    load,
    make,
    run_module,
    running,
    wait,
)

Edges = dict[str, TestEdge]
WELL, USUAL = Traffic(6000, 0, 0, 2.0), Limits()


@pytest.fixture
def edges(tmp_path: Path) -> Iterator[Edges]:
    """Green serves since a moment."""
    with running(tmp_path) as edges:
        decide(edges)
        yield edges


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten looks a second."""
    monkeypatch.setattr(watching, "PERIOD", 0.1)


def decide(edges: Edges) -> None:
    assert edges["edge1"].run("switch-back", "--reason", "the new version").returncode == 0


def run(edges: Edges, check: bool = False, **options: object) -> dict[str, Any]:
    given = {"owner": "change-42", "settings": str(edges["edge2"].settings), **options}
    return run_module("bluegreen_watch", check=check, **given)


def watch(
    edges: Edges,
    looks: int = 40,
    before: Traffic | None = WELL,
    level: ServiceLevel | None = None,
    limits: Limits = USUAL,
) -> Watched:
    settings = Settings.read(edges["edge2"].settings)

    async def asked() -> tuple[bool, str]:
        assert level
        return await level.ask(settings.certificates.client())

    known = ways(settings, 4.0)
    return asyncio.run(Watch(known, known, "change-42", looks, limits, before, asked if level else None).run())


def fails(edges: Edges, colour: str, percent: int) -> None:
    for edge in edges.values():
        edge.fails(colour, percent)


def decisions(edges: Edges) -> set[tuple[str, int]]:
    return {(edge.recorded().active, edge.recorded().generation) for edge in edges.values()}


def at_edge(edge: TestEdge, command: str) -> str:
    return unix_socket(f"{edge.folder}/admin.sock", 5)(command).strip()


def held(edges: Edges) -> list[str]:
    """Why, as each edge's status tells."""
    states = json.loads(edges["edge1"].run("status", "--json").stdout)
    return [state["held"]["why"] for state in states.values() if isinstance(state, dict) and state["held"]]


def test_twenty_per_cent_of_errors_are_seen_and_gone_back_from(
    edges: Edges, capsys: pytest.CaptureFixture[str]
) -> None:
    with load(edges):
        before = run(edges, state="measured", seconds=2)["baseline"]
        assert (before["requests"] > 100, before["failures"]) == (True, 0)
        decide(edges)
        assert decisions(edges) == {("blue", 3)}
        fails(edges, "blue", 20)
        begun = time.time()
        told = run(edges, baseline=before, seconds=30)
    assert (told["verdict"], told["changed"], told["new"], told["old"]) == ("worse", True, "blue", "green"), told
    assert decisions(edges) == {("green", 4)} == {(told["diff"]["after"].split()[1], told["generation"])}
    taken = edges["edge2"].history()[-1]
    assert (taken["who"], taken["why"]) == ("change-42", told["reason"])
    assert taken["at"] - begun < 15
    with capsys.disabled():
        print(f"\n20 % errors: back {taken['at'] - begun:.1f} s after the first one: {told['reason']}")
    seen = [look["new"] for look in told["looks"]]
    assert sum(one["failures"] for one in seen) / sum(one["requests"] for one in seen) == pytest.approx(0.2, abs=0.1)


def test_equal_colours_pass_and_counters_that_go_back_say_nothing(edges: Edges) -> None:
    """An HAProxy is reloaded meanwhile, and another one's counters are cleared."""
    fails(edges, "blue", 1)
    fails(edges, "green", 1)
    again = threading.Timer(2.5, edges["edge1"].processes["haproxy"].send_signal, [signal.SIGUSR2])
    with load(edges):
        again.start()
        clearing = threading.Timer(4.5, at_edge, [edges["edge2"], "clear counters all"])
        clearing.start()
        told = run(edges, seconds=7, baseline={"requests": 6000, "failures": 60, "response_ms": 2})
        again.join()
        clearing.join()
    assert (told["verdict"], told["changed"], told["generation"]) == ("pass", False, 2), told
    assert decisions(edges) == {("green", 2)}
    assert all(0 <= look["new"]["failures"] <= look["new"]["requests"] for look in told["looks"])
    assert sum(look["new"]["requests"] for look in told["looks"]) > 300
    assert at_edge(edges["edge1"], "show stat green 2 -1"), "HAProxy came back"


def test_slow_answers_are_gone_back_from(edges: Edges) -> None:
    for edge in edges.values():
        edge.is_slow("green")
    with load(edges, clients=20):
        told = run(edges, seconds=40, baseline={"requests": 6000, "failures": 0, "response_ms": 2})
    assert (told["verdict"], decisions(edges)) == ("worse", {("blue", 3)}), told
    assert "ms on average for 5 s; 52 ms may be" in told["reason"]


def test_a_colour_for_which_haproxy_itself_answers_is_gone_back_from(edges: Edges, fast: None) -> None:
    """No server of it is up, so no server's counters grow."""
    for edge in edges.values():
        at_edge(edge, "disable server green/self")
    with load(edges):
        watched = watch(edges)
    assert (watched.verdict, decisions(edges)) == ("worse", {("blue", 3)})


@pytest.mark.parametrize("knowing", [["edge1"], ["edge1", "edge2"]])
def test_with_both_colours_bad_it_is_held_and_somebody_is_told(edges: Edges, fast: None, knowing: list[str]) -> None:
    """One edge that knows that the old colour is down is enough."""
    fails(edges, "green", 50)
    for name in knowing:
        at_edge(edges[name], "disable server blue/self")
    with load(edges):
        watched = watch(edges)
    assert (watched.verdict, watched.switched) == ("hold", None)
    assert watched.why.endswith(f"; but {', '.join(knowing)}: no server of blue is up")
    assert decisions(edges) == {("green", 2)}
    assert held(edges) == [watched.why] * 2
    assert watched.why in edges["edge2"].run("status").stdout
    for edge in edges.values():
        metrics = edge.folder / "bluegreen.prom"
        wait(lambda path=metrics: "kojo_bluegreen_held 1\n" in path.read_text(), "no metric of it")  # type: ignore[misc]
    edges["edge1"].stop("agent")
    edges["edge1"].start_agent()
    assert len(held(edges)) == 2, "an agent that began anew has forgotten it"
    fails(edges, "green", 0)
    with load(edges):
        assert watch(edges).verdict == "pass"
    assert held(edges) == []


def test_an_old_colour_that_failed_as_badly_is_not_gone_back_to(edges: Edges, fast: None) -> None:
    fails(edges, "green", 30)
    with load(edges):
        watched = watch(edges, before=Traffic(6000, 1800, 0, 2.0))
    assert (watched.verdict, decisions(edges)) == ("hold", {("green", 2)})
    assert watched.why.endswith("; but blue fails too often itself")


def test_the_next_decision_ends_a_hold(edges: Edges, fast: None) -> None:
    fails(edges, "green", 50)
    with load(edges):
        assert watch(edges, before=Traffic(6000, 1800)).verdict == "hold"
    assert len(held(edges)) == 2
    decide(edges)
    assert held(edges) == []


def test_without_a_baseline_the_old_colour_is_what_haproxy_counted(edges: Edges, fast: None) -> None:
    decide(edges)
    fails(edges, "blue", 50)
    with load(edges):
        time.sleep(2)
        decide(edges)
        fails(edges, "green", 50)
        watched = watch(edges, before=None)
    assert watched.before.requests > 100
    assert watched.before.ratio == pytest.approx(0.5, abs=0.2)
    assert watched.verdict == "hold"


def test_a_canary_is_held_against_the_living_and_ended(edges: Edges, fast: None) -> None:
    owner = {"owner": "change-42", "seconds": 30}
    for edge in edges.values():
        token = asyncio.run(ask_here(f"{edge.folder}/agent.sock", 5, {"do": "lock", **owner}))["token"]
        decision = {"active": "green", "canary": 30, "generation": 3}
        prepare = {"do": "prepare", "token": token, "why": "a canary", "decision": decision}
        asyncio.run(ask_here(f"{edge.folder}/agent.sock", 5, prepare))
        commit = {"do": "commit", "token": token, "at": time.time() + 0.2}
        asyncio.run(ask_here(f"{edge.folder}/agent.sock", 5, commit))
    fails(edges, "blue", 40)
    with load(edges):
        watched = watch(edges, looks=60)
    assert (watched.new, watched.old, watched.verdict) == ("blue", "green", "worse")
    assert {edge.recorded() for edge in edges.values()} == {Decision("green", 0, 4)}
    assert sum(look["old"]["requests"] for look in watched.looks) > 100


def test_an_edge_that_cannot_be_asked_does_not_end_the_watch(edges: Edges, fast: None) -> None:
    edges["edge1"].stop("agent")
    fails(edges, "green", 40)
    with load(edges):
        watched = watch(edges, looks=60)
    assert (watched.verdict, edges["edge2"].recorded()) == ("worse", Decision("blue", 0, 3))
    assert watched.switched
    assert watched.switched.missing == ("edge1",)
    assert all(look["away"] == ["edge1"] for look in watched.looks)
    edges["edge1"].start_agent()
    wait(lambda: edges["edge1"].serves() == "blue", "edge1 did not follow")


def test_when_no_edge_can_be_asked_it_is_held(edges: Edges, fast: None) -> None:
    for edge in edges.values():
        threading.Timer(1.0, edge.stop, ["agent"]).start()
    watched = watch(edges, looks=50)
    assert (watched.verdict, watched.switched) == ("hold", None)
    assert "no edge could be asked for 5 s" in watched.why
    for edge in edges.values():
        edge.start_agent()


@pytest.mark.parametrize(("looks", "verdict"), [(2, "pass"), (3, "hold")])
def test_a_watch_that_ends_in_silence_does_not_pass(fast: None, looks: int, verdict: str) -> None:
    """An edge that answers three looks, the one before the watch among them."""
    colours = dict.fromkeys(("blue", "green"), asdict(Traffic()))
    answers = iter([{"recorded": asdict(Decision("blue")), "traffic": colours}] * 3)

    async def edge(_request: dict[str, Any]) -> dict[str, Any]:
        try:
            return next(answers)
        except StopIteration:
            raise Unreachable("edge1: no answer") from None

    watched = asyncio.run(Watch({"edge1": edge}, {"edge1": edge}, "change-42", looks).run())
    assert (watched.verdict, watched.beta) == (verdict, 1.0), watched.why
    assert ("so few that a regression passes with a chance of up to 100%" in watched.why) == (verdict == "pass")


def test_what_somebody_decides_meanwhile_ends_the_watch(edges: Edges, fast: None) -> None:
    operator = threading.Timer(1.0, decide, [edges])
    operator.start()
    watched = watch(edges, looks=80)
    operator.join()
    assert (watched.verdict, watched.why) == ("hold", "somebody decided otherwise meanwhile (generation 3)")
    assert (decisions(edges), held(edges)) == ({("blue", 3)}, [])


def test_a_lock_of_somebody_else_is_waited_for(edges: Edges, fast: None) -> None:
    lock = {"do": "lock", "owner": "tanaka", "seconds": 60}
    token = asyncio.run(ask_here(f"{edges['edge1'].folder}/agent.sock", 5, lock))["token"]
    fails(edges, "green", 40)
    with load(edges):
        watched = watch(edges, looks=60)
    assert watched.verdict == "hold"
    assert "but not switched back: edge1: tanaka has the lock" in watched.why
    assert held(edges) == [watched.why] * 2
    asyncio.run(ask_here(f"{edges['edge1'].folder}/agent.sock", 5, {"do": "unlock", "token": token}))
    with load(edges):
        assert watch(edges, looks=60).verdict == "worse"


@pytest.fixture
def prometheus() -> Iterator[tuple[str, list[str]]]:
    """Its address, and the answer that it gives."""
    answers = ["3.2"]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"] == "Basic a29qbzpzZWNyZXQ=" and "/api/v1/query?query=slo" in self.path
            answer = {"data": {"result": [{"metric": {}, "value": [0, answers[-1]]}]}}
            self.send_response(200 if known else 401)
            self.end_headers()
            self.wfile.write(answers[-1].encode() if answers[-1].startswith("{") else json.dumps(answer).encode())

        def log_message(self, *_arguments: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", answers
        server.shutdown()


def test_a_service_level_makes_the_watch_stricter_and_never_milder(
    edges: Edges, fast: None, prometheus: tuple[str, list[str]]
) -> None:
    url, answers = prometheus
    # so great a tolerance that the own counters prove nothing here
    level, limits = ServiceLevel(url, "kojo", "secret"), Limits(tolerance=0.5)
    with load(edges):
        for burns in ("3.2", "40"):
            answers.append(burns)
            watched = watch(edges, 20, level=level, limits=limits)
            assert watched.level == f"the error budget burns {float(burns)} times too fast"
            assert watched.verdict == "pass", "the own counters contradict"
        fails(edges, "green", 5)
        answers.append("3.2")
        assert watch(edges, 20, level=level, limits=limits).verdict == "pass"
        answers.append("40")
        watched = watch(edges, 20, level=level, limits=limits)
    assert (watched.verdict, decisions(edges)) == ("worse", {("blue", 3)}), watched.why


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "cannot be asked"),
        ("{", "cannot be asked"),
        ("{" + " " * 70_000, "the answer has no end"),
        ('{"data": {"result": []}}', "knows nothing of it"),
    ],
)
def test_a_prometheus_that_says_nothing_useful_breaks_no_level(
    tmp_path: Path, prometheus: tuple[str, list[str]], answer: str, said: str
) -> None:
    url, answers = prometheus
    context = Settings.read(make(tmp_path)["edge1"].settings).certificates.client()
    if answer:
        answers.append(answer)
        level = ServiceLevel(url, "kojo", "secret")
    else:
        level = ServiceLevel("http://127.0.0.1:9", "kojo", "secret")
    broken, told = asyncio.run(level.ask(context))
    assert (broken, said in told) == (False, True), told
    assert asyncio.run(ServiceLevel(url, "kojo", "wrong").ask(context)) == (
        False,
        f"{url} cannot be asked: HTTP/1.0 401 Unauthorized",
    )


def test_check_mode_says_what_it_would_watch(edges: Edges) -> None:
    begun = time.monotonic()
    told = run(edges, check=True, seconds=600)
    assert {key: told[key] for key in ("changed", "new", "old", "generation")} == {
        "changed": False,
        "new": "green",
        "old": "blue",
        "generation": 2,
    }
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seconds": 0}, "seconds is a whole number from 1 to 3600"),
        ({"tolerance": 0}, "tolerance is a share above 0"),
        ({"baseline": {"requests": 1, "failures": 2}}, "no more of them than requests"),
        ({"prometheus_url": "mon1:9090"}, "prometheus_url begins with https:// or http://"),
        ({"settings": "/nowhere.json"}, "/nowhere.json"),
    ],
)
def test_bad_input_is_named(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    assert message in run(make(tmp_path), **options)["msg"]


def test_without_any_edge_nothing_is_watched(tmp_path: Path) -> None:
    told = run(make(tmp_path), seconds=1)
    assert (told["failed"], "agent.sock: " in told["msg"]) == (True, True)
