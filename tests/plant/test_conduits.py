"""The network lets through what the conduits say, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import count

import pytest

from tests.plant.conduit_matrix import CONTROL_NODE, UNDECLARED, Network, Probe, differences, measure, probe
from tests.plant.inventory import ROOT, Plant, load_plant

Measured = dict[Probe, bool]


@pytest.fixture(scope="module")
def network(plant: Plant) -> Network:
    return Network.of(plant)


@pytest.fixture(scope="module")
def measured(network: Network) -> Measured:
    return measure(network)


def test_every_host_reaches_what_the_conduits_say_and_no_more(network: Network, measured: Measured) -> None:
    assert differences(network, measured) == []


def test_the_firewall_itself_drops(network: Network) -> None:
    """Every host's own filter would hide an open firewall. Where nobody lives, a forwarded packet comes back as a
    message of the firewall that there is no such host, after the three seconds that it looks for one."""
    if not network.groups.get("firewall"):
        pytest.skip("a plant without a firewall is one zone")
    owned = {network.virtual_address, *network.control_nodes}.union(*network.addresses.values())
    networks = [ip_network(zone["network"]) for zone in network.zones.values()]
    empty = [next(str(net[-n]) for n in count(2) if str(net[-n]) not in owned) for net in networks]
    targets = [
        {"addresses": empty, "protocol": protocol, "ports": network.ports(protocol)} for protocol in ("tcp", "udp")
    ]
    states = probe(network, "all:!firewall", targets, timeout=6.0)

    def same_zone(tried: Probe) -> bool:
        ends = ip_address(network.addresses[tried.source][0]), ip_address(tried.address)
        return any(all(end in net for end in ends) for net in networks)

    across = {tried: state for tried, state in states.items() if not same_zone(tried)}
    assert len(across) > 0
    assert {str(tried): state for tried, state in across.items() if state != "filtered"} == {}


def test_every_ordered_pair_was_tried(network: Network, measured: Measured) -> None:
    """With the control node as a source, and the virtual address as a target of all but its holder."""
    hosts = network.groups["all"]
    owners = {address: host for host, own in network.addresses.items() for address in own}
    tried = {(probe.source, owners.get(probe.address, "virtual")) for probe in measured}
    expected = {(source, target) for source in [*hosts, CONTROL_NODE] for target in hosts if source != target}
    holders = network.groups.get("edge", []) if network.virtual_address else [*hosts, CONTROL_NODE]
    assert expected | {(source, "virtual") for source in [*hosts, CONTROL_NODE] if source not in holders} <= tried


def test_the_oracle_agrees_with_the_page_of_plant_a_read_by_a_human() -> None:
    network = Network.of(load_plant(ROOT / "inventories/plant_a"))
    assert network.allows(Probe("app1", "10.77.31.12", "tcp", 5432))
    assert network.allows(Probe("gw1", "10.77.35.10", "tcp", 443))
    assert network.allows(Probe("fw1", "10.77.20.11", "tcp", 8883)), "fw1 stands in the zone control"
    assert network.allows(Probe(CONTROL_NODE, "10.77.35.254", "tcp", 22))
    assert not network.allows(Probe("db1", "10.77.35.11", "tcp", 443))
    assert not network.allows(Probe("edge1", "10.77.31.11", "tcp", 5432))
    assert not network.allows(Probe("app1", "10.77.30.12", "tcp", 22))
    assert not network.allows(Probe(CONTROL_NODE, "10.77.31.11", "icmp", 0))


def test_undeclared_ports_are_undeclared(network: Network) -> None:
    assert len(UNDECLARED["tcp"]) == 20
    assert not {port for c in network.conduits if c["protocol"] == "tcp" for port in c["ports"]} & set(
        UNDECLARED["tcp"]
    )


def test_a_conduit_that_the_network_lacks_is_seen(network: Network, measured: Measured) -> None:
    """The comparison isn't blind: against a table with one conduit more, exactly its paths are missing."""
    more = {"from": "all", "to": "all", "protocol": "tcp", "ports": [9999], "purpose": "never opened"}
    seen = differences(replace(network, conduits=[*network.conduits, more]), measured)
    lacking = [probe for probe in measured if probe.port == 9999 and probe.source != CONTROL_NODE]
    assert seen == [f"{probe}: dropped, and a conduit has it" for probe in sorted(lacking)]


def test_a_path_that_no_conduit_has_is_seen(network: Network, measured: Measured) -> None:
    """Nor to what is open: against a table without SSH, exactly the control node's SSH is too much."""
    less = [conduit for conduit in network.conduits if conduit.get("ports") != [22]]
    seen = differences(replace(network, conduits=less), measured)
    open_to = [probe for probe in measured if probe.port == 22 and probe.source == CONTROL_NODE]
    assert seen == [f"{probe}: passed, and no conduit has it" for probe in sorted(open_to)]
