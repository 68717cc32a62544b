"""Which master counts, and when none may be made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.resp import Refused, RespError, Unreachable
from ansible_collections.kojo.plant.plugins.module_utils.sentinel import Sentinel
from ansible_collections.kojo.plant.plugins.modules.sentinel_info import ask
from ansible_collections.kojo.plant.tests.unit.plugins.sentinel_wire import SentinelWire

HOSTS = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def knows(address: str, epoch: int) -> SentinelWire:
    return SentinelWire({"kojo": {"ip": address, "quorum": "2", "config-epoch": str(epoch)}})


def plant(*answers: SentinelWire | Exception) -> Callable[[str], Sentinel]:
    def connect(host: str) -> Sentinel:
        answer = answers[HOSTS.index(host)]
        if isinstance(answer, Exception):
            raise answer
        return Sentinel(answer.client)

    return connect


def test_bare_hosts_know_no_master() -> None:
    refused = Refused("nothing listens")
    assert ask(plant(refused, refused, refused), HOSTS, "kojo") == {"master": "", "known_by": {}}


def test_sentinels_that_monitor_nothing_know_no_master() -> None:
    assert ask(plant(SentinelWire({}), SentinelWire({}), Refused("")), HOSTS, "kojo")["master"] == ""


def test_one_sentinel_that_knows_is_enough() -> None:
    outcome = ask(plant(Refused(""), knows("10.0.0.2", 4), Unreachable("timed out")), HOSTS, "kojo")
    assert outcome == {"master": "10.0.0.2", "known_by": {"10.0.0.2": "10.0.0.2"}}


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_in_a_failover_the_newest_configuration_counts(turn: int) -> None:
    answers = [knows("10.0.0.1", 9), knows("10.0.0.2", 10), knows("10.0.0.1", 9)]
    assert ask(plant(*answers[turn:], *answers[:turn]), HOSTS, "kojo")["master"] == "10.0.0.2"


def test_silence_may_hide_a_master() -> None:
    with pytest.raises(Unreachable, match=r"10\.0\.0\.3:26379: timed out.*Bring them up"):
        ask(plant(Refused(""), SentinelWire({}), Unreachable("10.0.0.3:26379: timed out")), HOSTS, "kojo")


def test_a_refused_login_is_a_failure() -> None:
    refusal = RespError("WRONGPASS invalid username-password pair or user is disabled.")
    with pytest.raises(RespError, match="WRONGPASS"):
        ask(plant(refusal, Refused(""), Refused("")), HOSTS, "kojo")
