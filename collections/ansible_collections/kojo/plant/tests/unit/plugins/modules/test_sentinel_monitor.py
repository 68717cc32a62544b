"""On a far end that behaves as Sentinel 8.0.2 does; time is the test's own."""

from __future__ import annotations

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.resp import RespError, Unreachable
from ansible_collections.kojo.plant.plugins.module_utils.sentinel import Sentinel
from ansible_collections.kojo.plant.plugins.modules import sentinel_monitor
from ansible_collections.kojo.plant.plugins.modules.sentinel_monitor import Wanted
from ansible_collections.kojo.plant.tests.unit.plugins.sentinel_wire import SentinelWire

OPTIONS = {
    "name": "kojo",
    "master_host": "10.77.31.13",
    "master_port": 6379,
    "quorum": 2,
    "down_after_ms": 3000,
    "failover_timeout_ms": 10000,
    "parallel_syncs": 1,
    "auth_user": "kojo_sentinel",
    "auth_password": "p4ss",
    "peer_user": "kojo_sentinel",
    "peer_password": "p4ss",
}
WANTED = Wanted.from_options(OPTIONS)


class Clock:
    """Sleeping makes the time pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def run(wire: SentinelWire, wanted: Wanted = WANTED, check_mode: bool = False) -> dict[str, object]:
    return sentinel_monitor.present_outcome(Sentinel(wire.client), wanted, wire.file, check_mode)


@pytest.fixture
def bare() -> SentinelWire:
    return SentinelWire({})


@pytest.fixture
def converged(bare: SentinelWire) -> SentinelWire:
    run(bare)
    bare.changes.clear()
    return bare


def test_a_sentinel_that_knows_nothing_is_told_everything(bare: SentinelWire) -> None:
    outcome = run(bare)
    assert (outcome["changed"], outcome["master"]) == (True, "10.77.31.13")
    assert bare.masters == {
        "kojo": {
            "ip": "10.77.31.13",
            "quorum": "2",
            "down-after-milliseconds": "3000",
            "failover-timeout": "10000",
            "parallel-syncs": "1",
            "auth-user": "kojo_sentinel",
            "auth-pass": "p4ss",
        }
    }
    assert bare.settings == {"sentinel-user": "kojo_sentinel", "sentinel-pass": "p4ss"}


def test_check_mode_says_so_and_sends_no_change(bare: SentinelWire) -> None:
    outcome = run(bare, check_mode=True)
    assert (outcome["changed"], outcome["master"]) == (True, "10.77.31.13")
    assert bare.changes == []


@pytest.mark.parametrize("check_mode", [False, True])
def test_what_is_as_wanted_is_left_alone(converged: SentinelWire, check_mode: bool) -> None:
    outcome = run(converged, check_mode=check_mode)
    assert not outcome["changed"]
    assert converged.changes == []
    assert outcome["diff"]["before"] == outcome["diff"]["after"]  # type: ignore[index]


@pytest.mark.parametrize("check_mode", [False, True])
def test_after_a_failover_nothing_is_changed_or_undone(converged: SentinelWire, check_mode: bool) -> None:
    converged.masters["kojo"]["ip"] = "10.77.31.11"
    outcome = run(converged, check_mode=check_mode)
    assert (outcome["changed"], outcome["master"]) == (False, "10.77.31.11")
    assert converged.changes == []


def test_only_what_differs_is_set(converged: SentinelWire) -> None:
    outcome = run(converged, Wanted.from_options({**OPTIONS, "down_after_ms": 2000}))
    assert outcome["changed"]
    assert converged.changes == [("SENTINEL", "SET", "kojo", "down-after-milliseconds", "2000")]
    assert outcome["diff"]["before"]["down-after-milliseconds"] == "3000"  # type: ignore[index]
    assert outcome["diff"]["after"]["down-after-milliseconds"] == "2000"  # type: ignore[index]


def test_a_difference_in_check_mode_is_told_and_not_made(converged: SentinelWire) -> None:
    outcome = run(converged, Wanted.from_options({**OPTIONS, "quorum": 3}), check_mode=True)
    assert outcome["changed"]
    assert outcome["diff"]["after"]["quorum"] == "3"  # type: ignore[index]
    assert converged.changes == []


def test_a_setting_that_is_not_given_is_not_touched(converged: SentinelWire) -> None:
    fewer = {**OPTIONS, "parallel_syncs": None, "auth_user": None, "auth_password": None}
    outcome = run(converged, Wanted.from_options(fewer))
    assert not outcome["changed"]


def test_a_new_password_is_set_and_never_shown(converged: SentinelWire) -> None:
    outcome = run(converged, Wanted.from_options({**OPTIONS, "auth_password": "n3w", "peer_password": "n3w"}))
    assert converged.masters["kojo"]["auth-pass"] == "n3w"
    assert converged.settings["sentinel-pass"] == "n3w"
    assert "p4ss" not in str(outcome)
    assert "n3w" not in str(outcome)
    assert outcome["diff"]["before"]["auth-pass"] != outcome["diff"]["after"]["auth-pass"]  # type: ignore[index]


def test_the_login_of_another_master_does_not_count() -> None:
    lines = ["sentinel auth-pass other p4ss", 'sentinel auth-user kojo "kojo_sentinel"', "sentinel myid 1"]
    assert sentinel_monitor.logins("\n".join(lines), "kojo") == {"auth-user": "kojo_sentinel"}


def test_a_setting_that_does_not_stick_is_a_failure(converged: SentinelWire) -> None:
    converged.deaf_to = ("quorum",)
    with pytest.raises(RespError, match="took quorum for master kojo and doesn't have it"):
        run(converged, Wanted.from_options({**OPTIONS, "quorum": 3}))


def test_a_refused_setting_is_a_failure(converged: SentinelWire) -> None:
    with pytest.raises(RespError, match="Invalid argument '0' for SENTINEL SET 'down-after-milliseconds'"):
        run(converged, Wanted.from_options({**OPTIONS, "down_after_ms": 0}))


def test_absent_removes_once(converged: SentinelWire) -> None:
    sentinel = Sentinel(converged.client)
    assert sentinel_monitor.absent_outcome(sentinel, "kojo", check_mode=True)["changed"]
    assert "kojo" in converged.masters
    assert sentinel_monitor.absent_outcome(sentinel, "kojo", check_mode=False)["changed"]
    assert "kojo" not in converged.masters
    assert not sentinel_monitor.absent_outcome(sentinel, "kojo", check_mode=False)["changed"]
    assert converged.changes == [("SENTINEL", "REMOVE", "kojo")]


def test_where_sentinel_is_not_there_yet_check_mode_says_what_it_would_do() -> None:
    outcome = sentinel_monitor.bare_outcome(WANTED, "present")
    assert (outcome["changed"], outcome["diff"]["before"]) == (True, {})
    assert outcome["diff"]["after"]["master"] == "10.77.31.13"
    assert "p4ss" not in str(outcome)
    assert not sentinel_monitor.bare_outcome(WANTED, "absent")["changed"]


def test_the_quorum_is_waited_for() -> None:
    wire, clock = SentinelWire({"kojo": {"ip": "10.77.31.13", "quorum": "2"}}, usable=(1, 1, 3)), Clock()
    answer = sentinel_monitor.wait_for_quorum(Sentinel(wire.client), "kojo", 30, clock, clock.sleep)
    assert answer.startswith("OK 3 usable Sentinels.")
    assert clock.now == 2 * sentinel_monitor.POLL_SECONDS


def test_a_quorum_that_stays_away_is_a_failure() -> None:
    wire, clock = SentinelWire({"kojo": {"ip": "10.77.31.13", "quorum": "2"}}, usable=(1,)), Clock()
    with pytest.raises(RespError, match=r"no failover of kojo is possible: NOQUORUM 1 usable Sentinels.*Waited 30 s"):
        sentinel_monitor.wait_for_quorum(Sentinel(wire.client), "kojo", 30, clock, clock.sleep)


def test_any_other_error_is_not_waited_for(bare: SentinelWire) -> None:
    clock = Clock()
    with pytest.raises(RespError, match="No such master"):
        sentinel_monitor.wait_for_quorum(Sentinel(bare.client), "kojo", 30, clock, clock.sleep)
    assert clock.now == 0


def test_a_sentinel_that_starts_is_waited_for(bare: SentinelWire) -> None:
    clock, faults = Clock(), [Unreachable("refused"), Unreachable("refused")]

    def connect() -> Sentinel:
        if faults:
            raise faults.pop()
        return Sentinel(bare.client)

    sentinel_monitor.wait_for_sentinel(connect, 30, clock, clock.sleep)
    assert clock.now == 2 * sentinel_monitor.POLL_SECONDS


def test_a_sentinel_that_stays_away_names_its_journal() -> None:
    def connect() -> Sentinel:
        raise Unreachable("10.77.31.11:26379: refused")

    clock = Clock()
    with pytest.raises(Unreachable, match=r"refused; waited 30 s, see `journalctl -u redis-sentinel`"):
        sentinel_monitor.wait_for_sentinel(connect, 30, clock, clock.sleep)
