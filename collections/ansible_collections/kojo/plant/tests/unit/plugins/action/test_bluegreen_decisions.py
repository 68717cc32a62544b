"""bluegreen_decisions as a task, on files that the agent's own pen wrote, and on real edges."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.decision import Decision
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.history import History
from ansible_collections.kojo.plant.tests.unit.plugins.bluegreen_edges import running, wait
from ansible_collections.kojo.plant.tests.unit.plugins.plants import Plant

TASK = """
- name: Record
  kojo.plant.bluegreen_decisions:
    path: "{{ decisions }}"
"""
EDGES = ("edge1", "edge2")
BEGIN = 1767582764.107301  # 2026-01-05T03:12:44.107301Z


class Edges(Plant):
    """The control node's side of two edges, whose files lie in folders of their names."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        variables = {**local, "decisions": f"{root}/{{{{ inventory_hostname }}}}/decisions.jsonl"}
        self.write(
            "works/hosts.yml", yaml.safe_dump({"all": {"vars": variables, "hosts": {edge: {} for edge in EDGES}}})
        )

    def file(self, edge: str) -> Path:
        return self.root / edge / "decisions.jsonl"

    def decide(self, edge: str, generation: int, who: str = "tanaka@edge1", why: str = "slow", at: float = 0) -> None:
        """EDGE's agent puts on record what it did AT seconds after the beginning."""
        self.file(edge).parent.mkdir(exist_ok=True)
        old, new = (Decision(("blue", "green")[number % 2], 0, number) for number in (generation - 1, generation))
        History(self.file(edge)).add(at=BEGIN + at, who=who, why=why, old=asdict(old), new=asdict(new))

    def record(self, *options: str) -> dict[str, Any]:
        """What the task said of each edge."""
        run = self.run(self.playbook(TASK, hosts="all"), *options, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json")
        said: dict[str, Any] = json.loads(run.stdout[run.stdout.index("{") :])["plays"][0]["tasks"][0]["hosts"]
        return said

    def told(self) -> list[tuple[str, str, str]]:
        """Generation, edge and reason of each decision in the journal."""
        events = self.events("bluegreen:decide")
        return [(event["record"]["id"], event["new"]["edge"], event["reason"]) for event in events]


def recorded(said: dict[str, Any]) -> int:
    assert not any(said[edge]["changed"] for edge in EDGES), "a record is no change of the plant"
    return sum(bool(said[edge]["events"]) for edge in EDGES)


@pytest.fixture
def plant(tmp_path: Path) -> Edges:
    return Edges(tmp_path)


def test_what_two_edges_decided_is_one_event(plant: Edges) -> None:
    assert (recorded(plant.record()), plant.told()) == (0, []), "no edge has decided yet"
    for edge, late in (("edge1", 0.0), ("edge2", 0.004)):
        plant.decide(edge, 2, why="orders can't be closed, CANARY-plant-secret", at=late)
    expected = plant.record("--check")
    assert (plant.told(), plant.events("bluegreen:decide")) == ([], [])
    assert recorded(plant.record()) == 1
    (event,) = plant.events("bluegreen:decide")
    assert event["record"] == {"id": "2", "type": "colour_decision", "version": None}
    assert event["reason"] == "orders can't be closed, (removed)"
    assert event["old"] == {"active": "green", "canary": 0, "generation": 1}
    edge = event["new"].pop("edge")
    assert event["new"].pop("at") in ("2026-01-05T03:12:44.107301Z", "2026-01-05T03:12:44.111301Z")
    assert event["new"] == {"active": "blue", "canary": 0, "generation": 2, "who": "tanaka@edge1"}
    assert expected[edge]["events"][0]["record"] == event["record"]
    assert plant.events("ansible:change") == [], "it is its own record"
    assert [recorded(plant.record(*check)) for check in ([], ["--check"])] == [0, 0]
    assert len(plant.told()) == 1
    plant.verified()


def test_edges_that_are_asked_at_once_write_no_decision_twice(plant: Edges) -> None:
    for edge in EDGES:
        for generation in range(2, 42):
            plant.decide(edge, generation, at=100 * generation)
    plant.record()
    assert sorted(int(name) for name, *_ in plant.told()) == list(range(2, 42))


def test_each_decision_is_told_and_what_was_taken_over_is_not(plant: Edges) -> None:
    """Edge2 was away for the third one; then both decided the fourth apart, and at last the numbers began anew."""
    plant.decide("edge1", 2)
    plant.decide("edge2", 2)
    plant.decide("edge1", 3, why="edge2 is away", at=20)
    plant.decide("edge2", 3, who="edge1", why="taken over", at=900)
    plant.decide("edge1", 4, who="sato@edge1", at=1000)
    plant.decide("edge2", 4, who="mori@edge2", at=1001)
    plant.record()
    assert sorted(name for name, *_ in plant.told()) == ["2", "3", "4", "4"]
    assert ("3", "edge1", "edge2 is away") in plant.told()
    assert recorded(plant.record()) == 0
    other = next(edge for edge in EDGES if ("2", edge, "slow") not in plant.told())
    plant.decide(other, 2, at=7200)
    assert recorded(plant.record()) == 1
    assert recorded(plant.record()) == 0


def test_a_damaged_line_is_told_and_loses_no_other(plant: Edges) -> None:
    plant.decide("edge1", 2)
    sound = plant.file("edge1").read_text()
    damaged = [
        sound[:40],
        "\x00\xff",
        "[]",
        sound.replace('"generation": 2', '"generation": "2"'),
        sound.replace('"who": "', '"who": 1, "x": "'),
        sound.replace('"at": 1', '"at": 1e300, "x": 1'),
        sound.replace('"at": 1', '"at": -6e10, "x": 1'),
        "[" * 100_000,
    ]
    lines = "\n".join(line.strip("\n") for line in (sound, *damaged))
    plant.file("edge1").write_bytes(f"{lines}\n".encode("latin-1"))
    plant.decide("edge1", 3, at=20)
    said = plant.record()["edge1"]
    assert {name for name, *_ in plant.told()} == {"2", "3"}
    told = [warning.partition(" is damaged and not recorded (")[0] for warning in said["warnings"]]
    assert told == [f"{plant.file('edge1')} on edge1: line {number}" for number in range(2, 10)]


def test_a_long_file_is_read_from_its_end_and_what_may_be_missing_is_told(plant: Edges) -> None:
    for generation in range(2, 252):
        plant.decide("edge1", generation, why="x" * 2000, at=generation)
    said = plant.record()["edge1"]
    read = [int(name) for name, *_ in plant.told()]
    assert read == list(range(read[0], 252))
    assert 100 < len(read) < 132
    assert f"only the lines from {read[0] - 1} on were read" in said["warnings"][0]
    plant.decide("edge1", 252, at=300)
    again = plant.record()["edge1"]
    assert (again.get("warnings", []), len(again["events"])) == ([], 1)


def test_a_file_that_cannot_be_read_is_a_failed_task(plant: Edges) -> None:
    plant.file("edge1").mkdir(parents=True)
    said = plant.record()["edge1"]
    assert (said["failed"], f"{plant.file('edge1')} cannot be read: Is a directory" in said["msg"]) == (True, True)


def test_a_journal_that_cannot_be_written_fails_the_task_unless_the_run_is_an_exception(plant: Edges) -> None:
    plant.decide("edge1", 2)
    no_key = json.dumps({"plant_secrets": {}, "kojo_audit": "best_effort"})
    said = plant.record("-e", no_key)["edge1"]
    assert (said["changed"], "is not in the audit journal: there is no key" in said["warnings"][0]) == (False, True)
    assert recorded(plant.record()) == 1
    plant.decide("edge1", 3, at=9)
    exempt = plant.root / "lab/play.yml"
    plant.playbook(TASK, "lab/play.yml", hosts="edge1")
    run = plant.run(exempt, "-e", '{"plant_secrets": {}}')
    assert (run.returncode, "What was decided on the edges is not in the audit journal" in run.stdout) == (2, True)


def test_what_real_edges_decided(plant: Edges) -> None:
    with running(plant.root) as edges:
        assert edges["edge1"].run("switch-back", "--reason", "both").returncode == 0
        edges["edge2"].stop("agent")
        assert edges["edge1"].run("switch-back", "--reason", "alone").returncode == 0
        edges["edge2"].start_agent()
        wait(lambda: edges["edge2"].recorded().generation == 3, "edge2 did not follow")
        wait(lambda: len(edges["edge2"].history()) == 2, "edge2 has it not on record")
    assert recorded(plant.record()) in (1, 2)
    events = plant.events("bluegreen:decide")
    assert sorted((event["reason"], event["new"]["active"]) for event in events) == [
        ("alone", "blue"),
        ("both", "green"),
    ]
    assert all(event["new"]["who"].endswith("@edge1") for event in events)
    assert recorded(plant.record()) == 0
