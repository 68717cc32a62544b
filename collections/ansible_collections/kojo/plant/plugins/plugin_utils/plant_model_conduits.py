# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""From the conduit table to firewall rules: who may reach a host, and what passes between zones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

Conduit = Mapping[str, Any]
Rule = dict[str, Any]

CONTROL_NODES = "control_nodes"
EVERY_HOST = "all"


@dataclass(frozen=True)
class Plant:
    """What of a plant decides who a conduit's two ends are."""

    zones: Mapping[str, Mapping[str, Any]]
    groups: Mapping[str, Sequence[str]]
    addresses: Mapping[str, str]
    control_nodes: Sequence[str]
    virtual_address: str | None

    def zone_of(self, address: str) -> str | None:
        """The zone that ADDRESS is in; none for an address outside the plant."""
        return next(
            (name for name, zone in self.zones.items() if ip_address(address) in ip_network(zone["network"])), None
        )

    def is_firewall(self, host: str) -> bool:
        return host in self.groups.get("firewall", [])

    def speaks_from(self, host: str) -> list[str]:
        """Every address that HOST may send from: the firewall has one in each zone."""
        gateways = (
            [zone["gateway"] for zone in self.zones.values() if "gateway" in zone] if self.is_firewall(host) else []
        )
        return _unique([self.addresses[host], *gateways])

    def answers_at(self, host: str) -> list[str]:
        """Every address that HOST may be reached at: an edge may hold the virtual address."""
        virtual = [self.virtual_address] if self.virtual_address and host in self.groups.get("edge", []) else []
        return [*self.speaks_from(host), *virtual]

    def members(self, name: str) -> Sequence[str]:
        """The hosts of a group."""
        if name not in self.groups:
            raise ValueError(
                f"plant_conduits: {name!r} is neither a zone, a group, {EVERY_HOST!r} nor {CONTROL_NODES!r}"
            )
        return self.groups[name]


def input_rules(conduits: Iterable[Conduit], plant: Plant, host: str) -> list[Rule]:
    """What HOST accepts, a rule a conduit; its own addresses are left out, they come through the loopback."""
    own = set(plant.speaks_from(host))
    rules = []
    for conduit in conduits:
        if host in plant.members(conduit["to"]):
            sources = [source for source in _sources(conduit, plant, plant.groups[EVERY_HOST]) if source not in own]
            if sources:
                rules.append({**_service(conduit), "sources": sources, "purpose": conduit["purpose"]})
    return rules


def forward_rules(conduits: Iterable[Conduit], plant: Plant) -> list[Rule]:
    """What the firewall lets through, a rule a conduit and zone of destination.

    Neither the firewall's own packets nor those within a zone are forwarded.
    """
    others = [host for host in plant.groups[EVERY_HOST] if not plant.is_firewall(host)]
    rules = []
    for conduit in conduits:
        receivers = [host for host in plant.members(conduit["to"]) if host in others]
        reached = _unique(address for host in receivers for address in plant.answers_at(host))
        sources = _sources(conduit, plant, others)
        for zone in plant.zones:
            destinations = [address for address in reached if plant.zone_of(address) == zone]
            outside = [source for source in sources if _source_zone(source, plant) != zone]
            if destinations and outside:
                ends = {"sources": outside, "destinations": destinations}
                rules.append({**_service(conduit), **ends, "purpose": conduit["purpose"]})
    return rules


def _service(conduit: Conduit) -> Rule:
    return {"protocol": conduit["protocol"], "ports": list(conduit.get("ports", []))}


def _sources(conduit: Conduit, plant: Plant, hosts: Sequence[str]) -> list[str]:
    """The addresses or the network that CONDUIT comes from, of HOSTS where it comes from hosts."""
    name = conduit["from"]
    if name == CONTROL_NODES:
        return list(plant.control_nodes)
    if name in plant.zones:
        return [plant.zones[name]["network"]]
    return _unique(address for host in plant.members(name) if host in hosts for address in plant.speaks_from(host))


def _source_zone(source: str, plant: Plant) -> str | None:
    """The zone of an address, or of a whole zone's network."""
    return plant.zone_of(str(ip_network(source).network_address))


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))
