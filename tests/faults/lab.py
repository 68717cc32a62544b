"""The plant as the tests of faults see it: who leads, and whether it is whole."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Callable
from dataclasses import dataclass

import testinfra
from testinfra.host import Host

from tests.plant.inventory import Plant, attempt, connection
from tests.plant.redis_client import Client
from tests.wait import eventually

Ssh = Callable[[str], Host]


@dataclass(frozen=True)
class Places:
    """Which host does what only one may do: an empty name when none does, names joined by + when several do."""

    primary: str
    master: str
    address: str

    @property
    def complete(self) -> bool:
        """Return whether somebody, and one only, does each."""
        return all(place and "+" not in place for place in (self.primary, self.master, self.address))


class Lab:
    """The plant, seen from hosts that live."""

    def __init__(self, plant: Plant, ssh: Ssh) -> None:
        self.plant, self.ssh = plant, ssh
        self.dead: set[str] = set()

    @classmethod
    def of(cls, plant: Plant) -> Lab:
        """Return the plant as seen outside of tests, which have connections of their own."""
        return cls(plant, functools.cache(lambda name: testinfra.get_host(**connection(plant, name))))

    def _alive(self, group: str) -> list[str]:
        return [name for name in self.plant.groups[group] if name not in self.dead]

    def members(self) -> list[dict[str, object]]:
        """Return Patroni's members as patronictl tells them."""
        command = "patronictl --config-file /etc/patroni/config.yml list --format json"
        found = attempt(self.ssh(self._alive("database")[0]), command)
        return list(json.loads(found.stdout)) if found.rc == 0 else []

    def replication(self, name: str) -> dict[str, str]:
        """Return what a Redis says of its replication."""
        said = Client(self.ssh(name), [], self.plant.secrets).call(
            "admin", self.plant.address(name), "INFO", "replication"
        )
        return dict(line.split(":", 1) for line in said.splitlines() if ":" in line)

    def places(self) -> Places:
        """Return who leads now."""
        primary = [str(member["Member"]) for member in self.members() if member["Role"] == "Leader"]
        masters = [name for name in self._alive("cache") if self.replication(name).get("role") == "master"]
        virtual = f"{self.plant.vars['plant_virtual_address']}/"
        edges = {name: attempt(self.ssh(name), "ip -brief address").stdout for name in self._alive("edge")}
        holders = [name for name, addresses in edges.items() if virtual in addresses]
        return Places(*("+".join(names) for names in (primary, masters, holders)))

    def await_whole(self, seconds: float) -> None:
        """Wait until every database and cache host is back at work; fail with what isn't."""
        eventually(self._missing, operator.not_, seconds, "the plant isn't whole")

    def _missing(self) -> dict[str, object]:
        databases, caches = len(self.plant.groups["database"]), len(self.plant.groups["cache"])
        members, places = self.members(), self.places()
        missing: dict[str, object] = {}
        at_work = [member["State"] == ("running" if member["Role"] == "Leader" else "streaming") for member in members]
        if at_work != [True] * databases:
            missing["members"] = members
        if not places.complete:
            missing["places"] = places
        elif (replication := self.replication(places.master)).get("connected_slaves") != str(caches - 1):
            missing["replication"] = replication
        return missing
