# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Faults in where things are: zones, hosts' addresses, the virtual address."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_conduits import CONTROL_NODES
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_parts import Parts
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_shape import ADDRESS, LABEL, Fault


def check_zones(parts: Parts) -> Iterator[Fault]:
    for name, zone in parts.zones.items():
        if name in parts.groups or name == CONTROL_NODES:
            problem = "has the name of a group, so a conduit could mean either"
            yield Fault(f"plant_zones.{name}", problem, "rename the zone")
        if len(parts.zones) > 1 and "gateway" not in zone:
            remedy = "give the address, in this zone, that leads to the other zones"
            yield Fault(f"plant_zones.{name}.gateway", "is missing", remedy)
    for name, gateway in parts.gateways():
        network = parts.networks.get(name)
        if network and not _is_usable(gateway, network):
            problem = f"{gateway} is not a host address of {network}"
            yield Fault(f"plant_zones.{name}.gateway", problem, "give the gateway an address inside its network")
    for (one, first), (other, second) in combinations(parts.networks.items(), 2):
        if first.overlaps(second):
            problem = f"{second} overlaps {first} of zone {one}"
            yield Fault(f"plant_zones.{other}.network", problem, "give each zone a network of its own")


def check_inventory(hosts: Mapping[str, object]) -> Iterator[Fault]:
    """Names and addresses as they are written in the inventory."""
    for name, address in hosts.items():
        if not re.fullmatch(rf"{LABEL}(\.{LABEL})*", name):
            problem = "is not a host name that a certificate can carry"
            yield Fault(name, problem, "use lower-case letters, digits and -")
        if not ADDRESS.accepts(address):
            problem = "is missing" if address is None else f"{address!r} is not an IPv4 address"
            yield Fault(
                f"{name}.ansible_host", problem, "set it to the host's IPv4 address: a plant starts without DNS"
            )


def check_hosts(parts: Parts) -> Iterator[Fault]:
    # with a zone's network unreadable, its hosts are not to blame
    all_networks_known = len(parts.networks) == len(parts.zones)
    taken: dict[IPv4Address, str] = {}
    for host, address in parts.hosts.items():
        key = f"{host}.ansible_host"
        if address in taken:
            problem = f"{address} is the address of {taken[address]} too"
            yield Fault(key, problem, "give each host an address of its own")
        taken.setdefault(address, host)
        zones = parts.zones_of(address)
        if not zones and all_networks_known:
            remedy = "move the host into a zone's network, or add the zone to plant_zones"
            yield Fault(key, f"{address} is in no zone of plant_zones", remedy)
        if len(zones) > 1:
            problem = f"{address} is in the zones {', '.join(zones)}"
            yield Fault(key, problem, "a host is in one zone: part their networks")
        if len(zones) == 1 and not _is_usable(address, parts.networks[zones[0]]):
            problem = f"{address} is the address of a network, or its broadcast address"
            yield Fault(key, problem, "take another of the zone's addresses")
        yield from _check_gateway_role(host, address, parts)


def _check_gateway_role(host: str, address: IPv4Address, parts: Parts) -> Iterator[Fault]:
    """The firewall, and nobody else, is where the gateways are."""
    key = f"{host}.ansible_host"
    gateways = {gateway: zone for zone, gateway in parts.gateways()}
    if host in parts.members("firewall"):
        if gateways and address not in gateways:
            problem = f"{address} is no zone's gateway, but the host is the firewall"
            yield Fault(key, problem, "set it to the gateway address of the zone that it is managed in")
    elif address in gateways:
        problem = f"{address} is the gateway of zone {gateways[address]}"
        yield Fault(key, problem, "take another address, or put the host in the group firewall")


def check_virtual_address(parts: Parts) -> Iterator[Fault]:
    if "plant_virtual_address" not in parts.page:
        return
    key, address = "plant_virtual_address", IPv4Address(parts.page["plant_virtual_address"])
    owners = {
        **{other: f"the address of {host}" for host, other in parts.hosts.items()},
        **{other: f"the gateway of zone {zone}" for zone, other in parts.gateways()},
    }
    if address in owners:
        yield Fault(key, f"{address} is {owners[address]}", "take an address that nobody has")
    for host in parts.members("edge"):
        zones = parts.zones_of(parts.hosts[host]) if host in parts.hosts else []
        if zones and zones != parts.zones_of(address):
            problem = f"{address} is not in zone {zones[0]}, where {host} is"
            yield Fault(key, problem, "the edges share it: take a free address of their zone")
            return


def _is_usable(address: IPv4Address, network: IPv4Network) -> bool:
    return address in network and address not in (network.network_address, network.broadcast_address)
