"""What every host of the plant really reaches of every other, and what plant.yml's conduits say about it.

The expectation is written down here once more, probe by probe, and knows nothing of the filter that makes the rules.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from tests.plant.inventory import ROOT, Plant

CONTROL_NODE = "localhost"

# what mistakes and intruders try; no conduit has them
UNDECLARED = {
    "tcp": [21, 23, 25, 53, 80, 111, 135, 139, 445, 1883, 2049, 3306, 3389, 5433, 6380, 8100, 8103, 9999, 10050, 27017],
    "udp": [53, 161, 514],
}
# a refusal proves, as an answer does, that no filter dropped the packet
PASSED = {"open", "refused"}


@dataclass(frozen=True, order=True)
class Probe:
    """From a host to an address and port; the port of ICMP is 0."""

    source: str
    address: str
    protocol: str
    port: int

    def __str__(self) -> str:
        return f"{self.source} -> {self.address} {self.protocol}/{self.port}"


@dataclass(frozen=True)
class Network:
    """What the inventory says of the plant's network."""

    folder: Path
    groups: Mapping[str, list[str]]
    addresses: Mapping[str, list[str]]
    zones: Mapping[str, Mapping[str, Any]]
    control_nodes: list[str]
    virtual_address: str | None
    conduits: list[dict[str, Any]]

    @classmethod
    def of(cls, plant: Plant) -> Network:
        hosts, groups, model = plant.hostvars, plant.groups, plant.vars
        gateways = [zone.get("gateway") for zone in model["plant_zones"].values()]
        return cls(
            folder=plant.folder,
            groups={**groups, "all": list(hosts)},
            addresses={
                name: gateways if name in groups.get("firewall", []) else [values["ansible_host"]]
                for name, values in hosts.items()
            },
            zones=model["plant_zones"],
            control_nodes=model["plant_control_nodes"],
            virtual_address=model.get("plant_virtual_address"),
            conduits=model["plant_conduits"],
        )

    def ports(self, protocol: str) -> list[int]:
        declared = {port for c in self.conduits if c["protocol"] == protocol for port in c["ports"]}
        return sorted(declared.union(UNDECLARED[protocol]))

    def targets(self) -> list[dict[str, Any]]:
        virtual = {self.virtual_address} if self.virtual_address else set()
        addresses = sorted(virtual.union(*self.addresses.values()))
        return [
            {"addresses": addresses, "protocol": "tcp", "ports": self.ports("tcp")},
            {"addresses": addresses, "protocol": "udp", "ports": self.ports("udp")},
            {"addresses": addresses, "protocol": "icmp"},
        ]

    def allows(self, probe: Probe) -> bool:
        return any(
            conduit["protocol"] == probe.protocol
            and (probe.protocol == "icmp" or probe.port in conduit["ports"])
            and self._comes_from(conduit["from"], probe)
            and self._goes_to(conduit["to"], probe.address)
            for conduit in self.conduits
        )

    def _comes_from(self, end: str, probe: Probe) -> bool:
        if end == "control_nodes":
            return probe.source == CONTROL_NODE
        if end in self.zones:
            return ip_address(self._sender(probe)) in ip_network(self.zones[end]["network"])
        return probe.source in self.groups[end]

    def _goes_to(self, end: str, address: str) -> bool:
        if address == self.virtual_address:
            return end in ("edge", "all")
        return any(address in self.addresses[host] for host in self.groups[end])

    def _sender(self, probe: Probe) -> str:
        """The address that the source sends from: its own in the target's zone, if it stands in that one too."""
        own = self.control_nodes if probe.source == CONTROL_NODE else self.addresses[probe.source]
        zone = next(z["network"] for z in self.zones.values() if ip_address(probe.address) in ip_network(z["network"]))
        return next((address for address in own if ip_address(address) in ip_network(zone)), own[0])


def measure(network: Network) -> dict[Probe, bool]:
    """Whether each probe got through, from every host and the control node to every address of the plant."""
    # two seconds: a busy machine may lose a first packet, and the kernel sends the next after one
    states = probe(network, f"all:{CONTROL_NODE}", network.targets(), timeout=2.0)
    return {tried: state in PASSED for tried, state in states.items() if state != "local"}


def probe(network: Network, hosts: str, targets: list[dict[str, Any]], timeout: float) -> dict[Probe, str]:
    """What came back of each probe (module zone_probe), from all HOSTS at once."""
    arguments = {"targets": targets, "timeout": timeout, "parallel": 500}
    output = _run(
        *("ansible", "-i", str(network.folder), hosts, "-f", "20"),
        *("-m", "kojo.plant.zone_probe", "-a", json.dumps(arguments)),
        ANSIBLE_LOAD_CALLBACK_PLUGINS="1",
        ANSIBLE_STDOUT_CALLBACK="ansible.posix.json",
    )
    report, _end = json.JSONDecoder().raw_decode(output, output.index("{"))  # other callbacks speak too
    results = report["plays"][0]["tasks"][0]["hosts"]
    if mute := {host: result.get("msg") for host, result in results.items() if "probes" not in result}:
        raise RuntimeError(f"Not measured, because these hosts can't probe: {mute}")
    return {
        Probe(host, answer["address"], answer["protocol"], answer["port"]): answer["state"]
        for host, result in results.items()
        for answer in result["probes"]
    }


def differences(network: Network, measured: Mapping[Probe, bool]) -> list[str]:
    """A line for each probe that went otherwise than the conduits say."""
    return [
        f"{tried}: {'passed, and no conduit has it' if passed else 'dropped, and a conduit has it'}"
        for tried, passed in sorted(measured.items())
        if passed != network.allows(tried)
    ]


def _run(tool: str, *arguments: str, **environment: str) -> str:
    command = [str(Path(sys.executable).with_name(tool)), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **environment})
    return done.stdout
