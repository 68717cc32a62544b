# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Faults in who reaches whom: the conduits, and the flows without which Kojo's own daemons can't work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_conduits import CONTROL_NODES, EVERY_HOST
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_groups import KNOWN_GROUPS
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_parts import Parts
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_shape import PORT_PROTOCOLS, Fault, suggestion


@dataclass(frozen=True)
class Flow:
    sender: str
    receiver: str
    protocol: str
    ports: tuple[int, ...]
    purpose: str

    def __str__(self) -> str:
        ports = f", ports: [{', '.join(map(str, self.ports))}]" if self.ports else ""
        return (
            f"{{from: {self.sender}, to: {self.receiver}, protocol: {self.protocol}{ports}, purpose: {self.purpose}}}"
        )


NEEDED_FLOWS: Final = (
    Flow(CONTROL_NODES, EVERY_HOST, "tcp", (22,), "Ansible by SSH"),
    Flow("edge", "edge", "vrrp", (), "the virtual address"),
    Flow("edge", "edge", "tcp", (8405,), "which colour serves"),
    Flow("edge", "app", "tcp", (8101, 8102), "both colours of the service"),
    Flow("gateway", "edge", "tcp", (443,), "readings of the lines"),
    Flow("app", "database", "tcp", (5432,), "the service's records"),
    Flow("gateway", "database", "tcp", (5432,), "line monitor"),
    Flow("database", "database", "tcp", (2379, 2380, 5432, 8008), "etcd, replication and Patroni"),
    Flow("database", "monitoring", "tcp", (8432,), "backup"),
    Flow("monitoring", "database", "tcp", (8432,), "backup and restore"),
    Flow("app", "cache", "tcp", (6379, 26379), "cache and live events"),
    Flow("cache", "cache", "tcp", (6379, 26379), "Redis replication and Sentinel"),
    Flow("monitoring", EVERY_HOST, "tcp", (9100,), "metrics of the hosts"),
    Flow("monitoring", "app", "tcp", (8081, 8101, 8102), "metrics, seals, journals and archives of the service"),
    Flow("monitoring", "gateway", "tcp", (8080, 9090), "metrics of the lines"),
    Flow("monitoring", "database", "tcp", (2381, 8008, 9187), "metrics of the databases"),
    Flow("monitoring", "cache", "tcp", (9121,), "metrics of the caches"),
    Flow("monitoring", "edge", "tcp", (443, 8404), "metrics and a probe of the edges"),
)


def check_conduits(parts: Parts) -> Iterator[Fault]:
    receivers = {EVERY_HOST, *KNOWN_GROUPS, *parts.groups} - {"ungrouped"}
    senders = receivers | {CONTROL_NODES, *parts.zones}
    for index, conduit in enumerate(parts.items("plant_conduits")):
        path = f"plant_conduits[{index}]"
        sender, receiver = conduit.get("from"), conduit.get("to")
        if sender and sender not in senders:
            yield Fault(f"{path}.from", f"{sender!r} is neither a zone nor a group", suggestion(sender, senders))
        if receiver in parts.zones and receiver not in receivers:
            yield Fault(f"{path}.to", f"{receiver!r} is a zone", "name the group of hosts that the conduit leads to")
        elif receiver and receiver not in receivers:
            yield Fault(f"{path}.to", f"{receiver!r} is not a group", suggestion(receiver, receivers))
        protocol, ports = conduit.get("protocol"), conduit.get("ports")
        if protocol in PORT_PROTOCOLS and not ports:
            yield Fault(f"{path}.ports", f"names no port, but {protocol} needs one", "write for example [443]")
        if protocol and protocol not in PORT_PROTOCOLS and ports is not None:
            yield Fault(f"{path}.ports", f"{protocol} has no ports", "remove the key")


def check_flows(parts: Parts) -> Iterator[Fault]:
    """One message a flow, with the first pair of hosts that it fails for."""
    for flow in NEEDED_FLOWS:
        senders = [CONTROL_NODES] if flow.sender == CONTROL_NODES else parts.members(flow.sender)
        pairs = ((one, other) for one in senders for other in parts.members(flow.receiver) if one != other)
        for one, other in pairs:
            missing = _missing(flow, one, other, parts)
            if missing:
                problem = f"no conduit lets {one} reach {other} by {missing} ({flow.purpose})"
                yield Fault("plant_conduits", problem, f"add {flow}")
                break


def _missing(flow: Flow, sender: str, receiver: str, parts: Parts) -> str:
    """What of FLOW no conduit lets through between two hosts."""
    usable = [
        conduit
        for conduit in parts.items("plant_conduits")
        if conduit.get("protocol") == flow.protocol
        and receiver in parts.members(conduit.get("to", ""))
        and _covers(conduit.get("from", ""), sender, parts)
    ]
    if not flow.ports:
        return "" if usable else flow.protocol
    opened = {port for conduit in usable for port in conduit.get("ports", [])}
    closed = [str(port) for port in flow.ports if port not in opened]
    return f"{flow.protocol} port {', '.join(closed)}" if closed else ""


def _covers(end: str, sender: str, parts: Parts) -> bool:
    """Whether SENDER is behind the conduit's END."""
    if CONTROL_NODES in (end, sender):
        return end == sender
    if end in parts.zones:
        return sender in parts.hosts and end in parts.zones_of(parts.hosts[sender])
    return sender in parts.members(end)
