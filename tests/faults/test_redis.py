"""The Redis master goes away in four ways, and no run undoes the failover."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from testinfra.host import Host

from tests.plant.inventory import ROOT, Plant
from tests.plant.redis_client import Client, client, key, master
from tests.wait import eventually

__all__ = ["client", "key", "master"]


class TestFaults:
    @pytest.fixture
    def names(self, plant: Plant) -> dict[str, str]:
        return {plant.address(name): name for name in plant.groups["cache"]}

    def run(self, plant: Plant) -> list[str]:
        """Runs the role; how much each host changed."""
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "site.yml", "-i", str(plant.folder)]
        done = subprocess.run(
            [*command, "--tags", "redis", "--limit", "cache"], capture_output=True, text=True, cwd=ROOT
        )
        assert done.returncode == 0, done.stdout
        return re.findall(r"changed=(\d+)", done.stdout)

    def rerun(self, plant: Plant) -> None:
        assert self.run(plant) == ["0"] * len(plant.groups["cache"])

    def assert_whole(self, client: Client, master: str) -> None:
        sentinels, replicas = client.addresses, [address for address in client.addresses if address != master]
        eventually(lambda: {client.master(at) for at in sentinels}, lambda seen: seen == {master}, 30)
        eventually(lambda: {client.role(at) for at in replicas}, lambda seen: seen == {"slave"}, 60)

    def another(self, client: Client, witness: str, former: str) -> str:
        return eventually(lambda: client.master(witness), lambda seen: seen != former, 30)

    def assert_read(self, client: Client, address: str, key: str, value: str) -> None:
        eventually(lambda: client.call("app", address, "GET", key), lambda seen: seen == value, 15)

    def assert_writes(self, client: Client, sentinel: str, key: str, value: str) -> None:
        def write() -> str:
            return client.call("app", client.master(sentinel), "SET", key, value, "EX", "600")

        eventually(write, lambda seen: seen == "OK", 30)

    def test_a_killed_master_loses_nothing(
        self, plant: Plant, host: Callable[[str], Host], client: Client, names: dict[str, str], master: str, key: str
    ) -> None:
        assert client.call("app", master, "SET", key, "before", "EX", "600") == "OK"
        host(names[master]).check_output("systemctl kill --signal=KILL redis-server")
        self.assert_writes(client, client.addresses[0], f"{key}:after", "1")
        now = client.master(client.addresses[0])
        assert client.call("app", now, "GET", key) == "before"
        self.assert_whole(client, now)
        self.rerun(plant)
        assert client.master(client.addresses[0]) == now

    def test_a_frozen_master_is_replaced_and_comes_back_as_a_replica(
        self, plant: Plant, host: Callable[[str], Host], client: Client, names: dict[str, str], master: str, key: str
    ) -> None:
        frozen = host(names[master])
        witness = next(address for address in client.addresses if address != master)
        assert client.call("app", master, "SET", key, "before", "EX", "600") == "OK"
        self.assert_read(client, witness, key, "before")
        frozen.check_output("systemctl kill --signal=STOP redis-server")
        try:
            successor = self.another(client, witness, master)
            self.assert_writes(client, witness, key, "after")
        finally:
            frozen.check_output("systemctl kill --signal=CONT redis-server")
        self.assert_whole(client, successor)
        self.assert_read(client, master, key, "after")
        self.rerun(plant)
        self.assert_whole(client, successor)
        assert client.call("app", successor, "GET", key) == "after"

    def test_a_stopped_master_is_replaced_and_a_run_starts_it_again_as_a_replica(
        self, plant: Plant, host: Callable[[str], Host], client: Client, names: dict[str, str], master: str
    ) -> None:
        stopped = host(names[master])
        witness = next(address for address in client.addresses if address != master)
        stopped.check_output("systemctl stop redis-server")
        try:
            successor = self.another(client, witness, master)
        finally:
            stopped.check_output("systemctl start redis-server")
        self.assert_whole(client, successor)
        self.rerun(plant)
        assert client.master(witness) == successor

    def test_a_host_that_was_replaced_joins_the_master_that_the_others_know(
        self, plant: Plant, host: Callable[[str], Host], client: Client, names: dict[str, str], key: str
    ) -> None:
        first = client.addresses[-1]
        if client.master(first) == first:  # the role's own choice would be right by chance
            assert client.ask("admin", first, "SENTINEL", "FAILOVER", "kojo") == "OK"
            self.another(client, first, first)
        master = client.master(first)
        self.assert_whole(client, master)
        assert client.call("app", master, "SET", key, "kept", "EX", "600") == "OK"
        replaced = host(names[first])
        replaced.check_output("systemctl stop redis-sentinel redis-server && rm -r /var/lib/redis/*")
        self.run(plant)
        self.assert_whole(client, master)
        self.assert_read(client, first, key, "kept")
        self.rerun(plant)
        assert client.master(first) == master
