# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""The parts of a plant's model that have the right shape: what the checks compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_shape import ADDRESS


@dataclass(frozen=True)
class Parts:
    page: Mapping[str, Any]
    groups: Mapping[str, Sequence[str]]
    zones: Mapping[str, Mapping[str, Any]]
    networks: Mapping[str, IPv4Network]
    hosts: Mapping[str, IPv4Address]

    @classmethod
    def of(cls, page: Mapping[str, Any], hosts: Mapping[str, object], groups: Mapping[str, Sequence[str]]) -> Parts:
        zones = {str(name): zone or {} for name, zone in page.get("plant_zones", {}).items()}
        return cls(
            page=page,
            groups=groups,
            zones=zones,
            networks={name: IPv4Network(zone["network"]) for name, zone in zones.items() if "network" in zone},
            hosts={name: IPv4Address(address) for name, address in hosts.items() if ADDRESS.accepts(address)},
        )

    def items(self, key: str) -> list[Mapping[str, Any]]:
        """The dictionaries of a list of the page, in their places; an empty one where an item was wrong."""
        return [item or {} for item in self.page.get(key, [])]

    def members(self, group: str) -> Sequence[str]:
        return self.groups.get(group, [])

    def zones_of(self, address: IPv4Address) -> list[str]:
        return [name for name, network in self.networks.items() if address in network]

    def gateways(self) -> Iterator[tuple[str, IPv4Address]]:
        return ((name, IPv4Address(zone["gateway"])) for name, zone in self.zones.items() if "gateway" in zone)
