"""What is written to Patroni, and when nothing is."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.patroni import Patroni, PatroniError
from ansible_collections.kojo.plant.plugins.modules.patroni_config import configure
from ansible_collections.kojo.plant.tests.unit.plugins.patroni_wire import PatroniWire

MEMBERS = {"db1": "replica", "db2": "leader", "db3": "quorum_standby"}


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def patroni(wire: PatroniWire, clock: Clock | None = None) -> Patroni:
    clock = clock or Clock()
    return Patroni(wire, clock, clock.sleep)


def present() -> dict[str, Any]:
    return {
        "ttl": 30,
        "loop_wait": 10,
        "postgresql": {"use_slots": True, "parameters": {"max_connections": 100, "jit": "on"}},
    }


def test_only_the_difference_is_written() -> None:
    wire = PatroniWire(present(), MEMBERS)
    wanted = {"ttl": 20, "postgresql": {"parameters": {"max_connections": 100, "jit": "off"}}}
    outcome = configure(patroni(wire), wanted, 60, check_mode=False)
    assert wire.writes == [{"ttl": 20, "postgresql": {"parameters": {"jit": "off"}}}]
    assert outcome["changed"]
    assert outcome["config"]["postgresql"] == {"use_slots": True, "parameters": {"max_connections": 100, "jit": "off"}}
    assert outcome["diff"]["before"] == present()
    assert outcome["diff"]["after"] == outcome["config"]


def test_a_configuration_that_is_as_wanted_is_not_written() -> None:
    wire = PatroniWire(present(), MEMBERS)
    outcome = configure(patroni(wire), {"ttl": 30, "postgresql": {"parameters": {"max_connections": "100"}}}, 60, False)
    assert wire.writes == []
    assert not outcome["changed"]
    assert outcome["leader"] == "db2"


def test_null_removes_a_key_once() -> None:
    wire = PatroniWire(present(), MEMBERS)
    wanted = {"postgresql": {"parameters": {"jit": None, "never_there": None}}}
    assert configure(patroni(wire), wanted, 60, False)["changed"]
    assert wire.writes == [{"postgresql": {"parameters": {"jit": None}}}]
    assert not configure(patroni(wire), wanted, 60, False)["changed"]


def test_a_list_is_replaced_whole_and_its_order_counts() -> None:
    wire = PatroniWire({"loop_wait": 1, "postgresql": {"pg_hba": ["a", "b"]}}, MEMBERS)
    assert configure(patroni(wire), {"postgresql": {"pg_hba": ["b", "a"]}}, 60, False)["changed"]
    assert wire.config == {"loop_wait": 1, "postgresql": {"pg_hba": ["b", "a"]}}


def test_a_part_that_is_not_there_yet_is_made() -> None:
    wire = PatroniWire({"loop_wait": 1}, MEMBERS)
    configure(patroni(wire), {"postgresql": {"parameters": {"jit": "off", "gone": None}}}, 60, False)
    assert wire.config == {"loop_wait": 1, "postgresql": {"parameters": {"jit": "off"}}}


def test_check_mode_tells_and_writes_nothing() -> None:
    wire = PatroniWire(present(), MEMBERS)
    outcome = configure(patroni(wire), {"ttl": 20}, 60, check_mode=True)
    assert outcome["changed"]
    assert outcome["diff"]["after"] == {**present(), "ttl": 20}
    assert wire.config == present()


def test_check_mode_on_a_bare_host_would_make_it_all() -> None:
    clock = Clock()
    outcome = configure(patroni(PatroniWire(None, {}), clock), {"ttl": 20, "gone": None}, 60, check_mode=True)
    assert outcome["changed"]
    assert outcome["leader"] is None
    assert outcome["diff"] == {"before": {}, "after": {"ttl": 20}}
    assert clock.now == 0


def test_a_leader_is_waited_for() -> None:
    wire = PatroniWire(present(), MEMBERS, polls_without_leader=5)
    clock = Clock()
    assert configure(patroni(wire, clock), {"ttl": 30}, 60, False)["leader"] == "db2"
    assert clock.now == 5


def test_without_a_leader_nothing_is_written_and_the_wait_ends() -> None:
    wire = PatroniWire(present(), MEMBERS, polls_without_leader=1000)
    clock = Clock()
    with pytest.raises(PatroniError, match=r"no leader after 60 s.*patronictl list"):
        configure(patroni(wire, clock), {"ttl": 20}, 60, False)
    assert wire.writes == []
    assert clock.now == 60


def test_a_node_that_is_down_is_named() -> None:
    with pytest.raises(PatroniError, match="connection refused"):
        configure(patroni(PatroniWire(None, {})), {"ttl": 20}, 3, False)


def test_members_to_restart_are_returned_with_the_leader_last() -> None:
    wire = PatroniWire(present(), MEMBERS)
    wire.restart_keys = {"max_connections"}
    outcome = configure(patroni(wire), {"postgresql": {"parameters": {"max_connections": 200}}}, 60, False)
    assert outcome["pending_restart"] == ["db1", "db3", "db2"]


def test_members_get_a_loop_to_notice_before_they_are_asked() -> None:
    wire = PatroniWire(present(), MEMBERS)
    clock = Clock()
    configure(patroni(wire, clock), {"ttl": 20}, 60, False)
    assert clock.now > present()["loop_wait"]
