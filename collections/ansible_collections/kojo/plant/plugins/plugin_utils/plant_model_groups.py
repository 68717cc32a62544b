# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Faults in what the hosts do: the groups and their sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_conduits import EVERY_HOST
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_parts import Parts
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_shape import Fault, nearest

WORKING_GROUPS: Final = ("edge", "app", "database", "cache", "gateway", "monitoring")
KNOWN_GROUPS: Final = (*WORKING_GROUPS, "firewall")

# two groups whose daemons would bind one port of a host that is in both
CLASHES: Final = (("gateway", "monitoring", 9090, "the line monitor and Prometheus"),)


def check_groups(parts: Parts) -> Iterator[Fault]:
    for group in WORKING_GROUPS:
        if not parts.members(group):
            yield Fault(group, "the group has no host", "name at least one host in it")
    for group in parts.groups:
        # a plant may have groups of its own; only what looks like a slip is one
        near = nearest(group, KNOWN_GROUPS)
        if near and group not in KNOWN_GROUPS:
            yield Fault(group, "is not a group that Kojo knows", f"did you mean {near}?")
    placed = {host for group in KNOWN_GROUPS for host in parts.members(group)}
    for host in parts.members(EVERY_HOST):
        if host not in placed:
            yield Fault(host, "is in no group that Kojo knows", f"put it in one of {', '.join(KNOWN_GROUPS)}")
    yield from _check_sizes(parts)
    for one, other, port, daemons in CLASHES:
        for host in sorted(set(parts.members(one)) & set(parts.members(other))):
            problem = f"is in {one} and in {other}, where {daemons} both listen on port {port}"
            yield Fault(host, problem, "give one of the groups to another host")


def _check_sizes(parts: Parts) -> Iterator[Fault]:
    databases, caches, firewalls = (len(parts.members(group)) for group in ("database", "cache", "firewall"))
    if databases and (databases < 3 or databases % 2 == 0):
        yield Fault("database", f"has {databases} host(s)", "etcd needs an odd number of them, at least 3")
    if 0 < caches < 3:
        yield Fault("cache", f"has {caches} host(s)", "Sentinel needs at least 3 to agree on a failover")
    if firewalls > 1:
        yield Fault("firewall", f"has {firewalls} host(s)", "leave one: a zone has one gateway address")
