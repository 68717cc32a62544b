"""The timings keep the rules of the programs that they drive, and predict what operations are promised."""

from __future__ import annotations

import copy

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kojo.plant.plugins.filter.rto_profile import FilterModule

rto_profile = FilterModule().filters()["rto_profile"]
NAMES = ("fast", "lab", "normal")


@pytest.mark.parametrize("name", NAMES)
def test_patroni_takes_the_timings_as_they_are(name: str) -> None:
    """Below its floors, or with loop_wait + 2 * retry_timeout over ttl, Patroni silently takes other values."""
    patroni = rto_profile(name)["patroni"]
    assert patroni["loop_wait"] + 2 * patroni["retry_timeout"] <= patroni["ttl"]
    assert patroni["ttl"] >= 20
    assert patroni["loop_wait"] >= 1
    assert patroni["retry_timeout"] >= 3
    assert patroni["primary_start_timeout"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_etcd_elects_after_several_heartbeats(name: str) -> None:
    etcd = rto_profile(name)["etcd"]
    assert 5 * etcd["heartbeat_ms"] <= etcd["election_ms"] <= 50_000


@pytest.mark.parametrize("name", NAMES)
def test_the_average_is_below_the_worst_and_below_five_minutes(name: str) -> None:
    predicted = rto_profile(name)["predicted"]
    average, worst = predicted["host_lost_average_s"], predicted["host_lost_worst_s"]
    assert 0 < average < worst < predicted["host_and_etcd_leader_lost_worst_s"] < 300
    assert all(0 < seconds < 60 for seconds in predicted.values())


def test_the_fast_profile_predicts_the_published_figures() -> None:
    assert rto_profile("fast")["predicted"] == {
        "process_lost_s": 6.0,
        "host_lost_average_s": 21.5,
        "host_lost_worst_s": 25.0,
        "host_and_etcd_leader_lost_worst_s": 26.0,
        "address_takeover_s": 1.2,
        "redis_failover_s": 3.5,
    }


def test_the_lab_differs_from_fast_in_patience_only() -> None:
    fast, lab = rto_profile("fast"), rto_profile("lab")
    for part in ("patroni", "haproxy", "client"):
        assert lab[part] == fast[part]
    # measured on such a machine: Redis failed over in 4.5 s, a lost host that led etcd cost 28 s
    assert lab["predicted"]["redis_failover_s"] == 4.5
    assert lab["predicted"]["host_and_etcd_leader_lost_worst_s"] == pytest.approx(28, abs=1)


def test_a_profile_is_handed_out_as_a_copy() -> None:
    before = copy.deepcopy(rto_profile("fast"))
    rto_profile("fast")["patroni"]["ttl"] = 1
    assert rto_profile("fast") == before


def test_an_unknown_profile_is_named_with_those_there_are() -> None:
    with pytest.raises(AnsibleFilterError, match="'quick' is not a profile; choose one of fast, lab, normal"):
        rto_profile("quick")
