"""The rules that a conduit table compiles to, against rules that were worked out by hand."""

from __future__ import annotations

import copy
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kojo.plant.plugins.filter.conduit_rules import FilterModule

conduit_rules = FilterModule().filters()["conduit_rules"]

PLANT: dict[str, Any] = {
    "zones": {
        "front": {"network": "192.0.2.0/25", "gateway": "192.0.2.126"},
        "back": {"network": "192.0.2.128/25", "gateway": "192.0.2.254"},
    },
    "groups": {
        "all": ["fw", "e1", "e2", "d1", "d2"],
        "firewall": ["fw"],
        "edge": ["e1", "e2"],
        "database": ["d1", "d2"],
    },
    "addresses": {
        "fw": "192.0.2.254",
        "e1": "192.0.2.11",
        "e2": "192.0.2.12",
        "d1": "192.0.2.131",
        "d2": "192.0.2.132",
    },
    "control_nodes": ["192.0.2.1", "203.0.113.5"],
    "virtual_address": "192.0.2.10",
}


def conduit(sender: str, receiver: str, protocol: str = "tcp", ports: tuple[int, ...] = (443,)) -> dict[str, Any]:
    named = {"ports": list(ports)} if protocol in ("tcp", "udp") else {}
    return {"from": sender, "to": receiver, "protocol": protocol, **named, "purpose": f"{sender} to {receiver}"}


EVERY = [
    conduit("control_nodes", "all", ports=(22,)),
    conduit("all", "all", "icmp"),
    conduit("edge", "edge", "vrrp"),
    conduit("edge", "database", ports=(5432, 6379)),
    conduit("back", "edge"),
    conduit("all", "firewall", "udp", (123,)),
]


def sources(rules: list[dict[str, Any]]) -> list[list[str]]:
    return [rule["sources"] for rule in rules]


def test_the_receiver_lists_each_sender() -> None:
    rules = conduit_rules([conduit("edge", "database", ports=(5432, 6379))], host="d1", **PLANT)
    assert rules == {
        "input": [
            {
                "protocol": "tcp",
                "ports": [5432, 6379],
                "sources": ["192.0.2.11", "192.0.2.12"],
                "purpose": "edge to database",
            }
        ],
        "forward": [],
    }


def test_the_firewall_forwards_between_zones() -> None:
    rules = conduit_rules([conduit("edge", "database", ports=(5432,))], host="fw", **PLANT)
    assert rules == {
        "input": [],
        "forward": [
            {
                "protocol": "tcp",
                "ports": [5432],
                "sources": ["192.0.2.11", "192.0.2.12"],
                "destinations": ["192.0.2.131", "192.0.2.132"],
                "purpose": "edge to database",
            }
        ],
    }


def test_icmp_and_vrrp_have_no_ports() -> None:
    rules = conduit_rules([conduit("edge", "edge", "vrrp")], host="e1", **PLANT)
    assert rules["input"] == [
        {"protocol": "vrrp", "ports": [], "sources": ["192.0.2.12"], "purpose": "edge to edge"},
    ]


def test_a_zone_as_sender_is_its_network() -> None:
    assert sources(conduit_rules([conduit("back", "edge")], host="e1", **PLANT)["input"]) == [["192.0.2.128/25"]]


def test_the_firewall_speaks_from_its_address_in_every_zone() -> None:
    assert sources(conduit_rules([conduit("firewall", "database")], host="d1", **PLANT)["input"]) == [
        ["192.0.2.254", "192.0.2.126"]
    ]


def test_what_the_firewall_sends_or_receives_itself_is_not_forwarded() -> None:
    table = [conduit("firewall", "database"), conduit("edge", "firewall"), conduit("control_nodes", "firewall")]
    rules = conduit_rules(table, host="fw", **PLANT)
    assert rules["forward"] == []
    assert sources(rules["input"]) == [["192.0.2.11", "192.0.2.12"], ["192.0.2.1", "203.0.113.5"]]


def test_what_goes_to_the_edges_may_go_to_the_virtual_address() -> None:
    (rule,) = conduit_rules([conduit("back", "edge")], host="fw", **PLANT)["forward"]
    assert set(rule["destinations"]) == {"192.0.2.10", "192.0.2.11", "192.0.2.12"}


def test_no_edge_speaks_from_the_virtual_address() -> None:
    assert "192.0.2.10" not in sources(conduit_rules([conduit("edge", "database")], host="d1", **PLANT)["input"])[0]


def test_a_control_node_is_forwarded_to_the_zones_that_it_is_not_in() -> None:
    rules = conduit_rules([conduit("control_nodes", "all", ports=(22,))], host="fw", **PLANT)["forward"]
    front, back = ("192.0.2.10", "192.0.2.11", "192.0.2.12"), ("192.0.2.131", "192.0.2.132")
    assert {(tuple(sorted(rule["destinations"])), tuple(rule["sources"])) for rule in rules} == {
        (front, ("203.0.113.5",)),
        (back, ("192.0.2.1", "203.0.113.5")),
    }


def test_a_flat_plant_needs_no_gateway() -> None:
    flat = {**PLANT, "zones": {"floor": {"network": "192.0.2.0/24"}}}
    assert sources(conduit_rules([conduit("firewall", "edge")], host="e1", **flat)["input"]) == [["192.0.2.254"]]
    assert conduit_rules([conduit("all", "all")], host="fw", **flat)["forward"] == []


@pytest.mark.parametrize("host", PLANT["groups"]["all"])
def test_no_host_lists_an_address_of_its_own(host: str) -> None:
    own = {PLANT["addresses"][host]} | ({"192.0.2.126", "192.0.2.254"} if host == "fw" else set())
    for rule in conduit_rules(EVERY, host=host, **PLANT)["input"]:
        assert rule["sources"]
        assert not own & set(rule["sources"])


def test_nothing_is_forwarded_within_a_zone() -> None:
    networks = [IPv4Network(zone["network"]) for zone in PLANT["zones"].values()]
    for rule in conduit_rules(EVERY, host="fw", **PLANT)["forward"]:
        for network in networks:
            inside = [IPv4Network(source).subnet_of(network) for source in rule["sources"]]
            assert not (any(inside) and any(IPv4Address(address) in network for address in rule["destinations"]))


def test_only_the_firewall_forwards() -> None:
    for host in PLANT["groups"]["all"]:
        assert bool(conduit_rules(EVERY, host=host, **PLANT)["forward"]) == (host == "fw")


def test_an_empty_table_opens_nothing() -> None:
    for host in PLANT["groups"]["all"]:
        assert conduit_rules([], host=host, **PLANT) == {"input": [], "forward": []}


def test_it_is_a_pure_function() -> None:
    table, plant = copy.deepcopy(EVERY), copy.deepcopy(PLANT)
    first = conduit_rules(table, host="fw", **plant)
    assert conduit_rules(table, host="fw", **plant) == first
    assert (table, plant) == (EVERY, PLANT)


def test_an_unknown_end_is_named() -> None:
    with pytest.raises(AnsibleFilterError, match="'egde' is neither a zone, a group"):
        conduit_rules([conduit("egde", "database")], host="d1", **PLANT)
