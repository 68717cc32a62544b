"""Redis and Sentinel from outside: redis-cli on the hosts, as each user."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.plant.inventory import ROOT, Plant
from tests.plant.redis_client import CERTIFICATE, REDIS, SENTINEL, TLS, Client, client, key, master
from tests.wait import eventually

__all__ = ["client", "key", "master"]
SCRATCH = "kojo-test"


def test_one_master_and_the_others_follow_it(client: Client) -> None:
    roles = [client.role(address) for address in client.addresses]
    assert sorted(roles) == ["master"] + ["slave"] * (len(roles) - 1)


def test_all_sentinels_name_the_one_master(client: Client) -> None:
    (actual,) = [address for address in client.addresses if client.role(address) == "master"]
    assert {client.master(sentinel) for sentinel in client.addresses} == {actual}


def test_all_sentinels_know_each_other_and_could_fail_over(client: Client) -> None:
    others = str(len(client.addresses) - 1)
    for sentinel in client.addresses:
        words = client.ask("admin", sentinel, "SENTINEL", "MASTER", "kojo").splitlines()
        state = dict(zip(words[::2], words[1::2], strict=True))
        assert (state["num-other-sentinels"], state["num-slaves"], state["flags"]) == (others, others, "master")
        assert int(state["quorum"]) == len(client.addresses) // 2 + 1
        answer = client.ask("admin", sentinel, "SENTINEL", "CKQUORUM", "kojo")
        assert answer.startswith(f"OK {len(client.addresses)} usable Sentinels.")


def test_a_write_on_the_master_is_on_every_replica(client: Client, master: str, key: str) -> None:
    replicas = [address for address in client.addresses if address != master]
    assert client.call("app", master, "SET", key, "written", "EX", "60") == "OK"
    for replica in replicas:
        eventually(lambda at=replica: client.call("app", at, "GET", key) == "written", bool, 5, f"{key} on {replica}")  # type: ignore[misc]
        assert "READONLY" in client.call("app", replica, "SET", key, "by a replica")


@pytest.mark.parametrize("port", [REDIS, SENTINEL])
def test_plain_text_is_refused(client: Client, port: int) -> None:
    assert "PONG" not in client.raw(client.addresses[0], port, [], "PING")


@pytest.mark.parametrize("port", [REDIS, SENTINEL])
def test_a_client_without_a_certificate_is_refused(client: Client, port: int) -> None:
    password = client.secrets["redis_admin_password"]
    answer = client.raw(client.addresses[0], port, [*TLS, "--user", "kojo_admin"], "PING", password=password)
    assert "PONG" not in answer
    assert client.call("admin", client.addresses[0], "PING", port=port) == "PONG"


@pytest.mark.parametrize("port", [REDIS, SENTINEL])
@pytest.mark.parametrize(("version", "outcome"), [("TLSv1_2", "TLSV1_ALERT_PROTOCOL_VERSION"), ("TLSv1_3", "TLSv1.3")])
def test_only_tls_1_3_is_spoken(client: Client, port: int, version: str, outcome: str) -> None:
    address = client.addresses[0]
    code = (
        "import socket, ssl; context = ssl.create_default_context(cafile='/etc/kojo/pki/ca.crt'); "
        "context.load_cert_chain('/etc/kojo/pki/host.crt', '/etc/kojo/pki/host.key'); "
        f"context.maximum_version = ssl.TLSVersion.{version}; "
        f"plain = socket.create_connection(('{address}', {port}), 5); "
        f"print(context.wrap_socket(plain, server_hostname='{address}').version())"
    )
    done = client.host.run(f"python3 -c {shlex.quote(code)}")
    assert outcome in done.stdout + done.stderr


@pytest.mark.parametrize("port", [REDIS, SENTINEL])
def test_nobody_is_let_in_without_a_user(client: Client, port: int, key: str) -> None:
    address = client.addresses[0]
    assert "NOAUTH" in client.raw(address, port, [*TLS, *CERTIFICATE], "PING")
    for user in ("default", "kojo_admin"):
        answer = client.raw(address, port, [*TLS, *CERTIFICATE, "--user", user], "PING", password=key)
        assert "WRONGPASS" in answer
        assert "PONG" not in answer


def test_the_service_has_its_own_keys_and_channels(client: Client, master: str, key: str) -> None:
    assert client.call("app", master, "SET", key, "1", "EX", "60") == "OK"
    assert client.call("app", master, "PUBLISH", key, "1").isdigit()


def test_the_service_may_do_nothing_else(client: Client, master: str) -> None:
    forbidden = [
        *("SET other 1", "GET other", "PUBLISH other 1", "EVAL 'return 0' 0", "MONITOR"),
        *("KEYS *", "FLUSHALL", "FLUSHDB", "CONFIG GET *", "CONFIG SET dir /tmp", "ACL LIST", "CLIENT LIST"),
        *("MODULE LIST", "REPLICAOF NO ONE", "SHUTDOWN"),
    ]
    answers = dict(zip(forbidden, client.refusals("app", master, forbidden), strict=True))
    assert not {command: answer for command, answer in answers.items() if not answer.startswith("NOPERM")}


@pytest.mark.parametrize("user", ["app", "exporter", "sentinel"])
def test_only_the_administrator_changes_sentinel(client: Client, user: str) -> None:
    forbidden = [f"SENTINEL {rest}" for rest in ("FAILOVER kojo", "REMOVE kojo", "SET kojo quorum 1", "CONFIG GET *")]
    answers = dict(zip(forbidden, client.refusals(user, client.addresses[0], forbidden, SENTINEL), strict=True))
    assert not {command: answer for command, answer in answers.items() if not answer.startswith("NOPERM")}


@pytest.mark.parametrize("user", ["exporter", "replica", "sentinel"])
def test_accounts_of_daemons_see_no_data(client: Client, master: str, user: str, key: str) -> None:
    assert client.call(user, master, "GET", key).startswith("NOPERM")
    assert client.call(user, master, "PING") == "PONG"


def test_no_password_is_in_the_files_of_users(client: Client) -> None:
    text = client.host.check_output("cat /etc/redis/kojo-users.acl /etc/redis/kojo-sentinel-users.acl")
    assert text.count(" on ") == len(re.findall(r" #[0-9a-f]{64} ", text)) > 0
    assert not [name for name, secret in client.secrets.items() if secret in text]


class TestModule:
    """sentinel_monitor on a real Sentinel, with a master of the test's own at which nobody listens."""

    @pytest.fixture
    def monitor(self, plant: Plant, client: Client) -> Iterator[Callable[..., dict[str, Any]]]:
        name = plant.groups["cache"][0]
        address = plant.address(name)

        def run(*flags: str, **arguments: object) -> dict[str, Any]:
            options = {
                **{"host": address, "name": SCRATCH, "master_host": address, "master_port": 1, "quorum": 1},
                **{"username": "kojo_admin", "password": plant.secrets["redis_admin_password"]},
                **{"ca_file": "/etc/kojo/pki/ca.crt", "cert_file": "/etc/kojo/pki/host.crt"},
                **{"key_file": "/etc/kojo/pki/host.key", "config_file": "/var/lib/redis/sentinel-runtime.conf"},
                **{"auth_user": "kojo_sentinel", "auth_password": "scratch", "timeout": 5, **arguments},
            }
            command = [
                str(Path(sys.executable).with_name("ansible")),
                name,
                "-i",
                str(plant.folder),
                "--become",
                *flags,
            ]
            command += ["-m", "kojo.plant.sentinel_monitor", "-a", json.dumps(options)]
            environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "minimal", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
            output = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment).stdout
            result: dict[str, Any] = json.JSONDecoder().raw_decode(output, output.index("=> {") + 3)[0]
            return result

        yield run
        client.ask("admin", address, "SENTINEL", "REMOVE", SCRATCH)

    def test_check_mode_tells_the_truth_and_touches_nothing(
        self, client: Client, monitor: Callable[..., dict[str, Any]]
    ) -> None:
        def quorum() -> str:
            words = client.ask("admin", client.addresses[0], "SENTINEL", "MASTER", SCRATCH).splitlines()
            return dict(zip(words[::2], words[1::2], strict=False)).get("quorum", "")

        assert monitor("--check")["changed"]
        assert quorum() == ""

        assert monitor()["changed"]
        assert quorum() == "1"
        assert not monitor("--check")["changed"]
        assert not monitor()["changed"]

        assert monitor("--check", quorum=2)["changed"]
        assert quorum() == "1"
        assert monitor("--check", auth_user="other")["changed"]

        assert monitor("--check", state="absent")["changed"]
        assert quorum() == "1"
        assert monitor(state="absent")["changed"]
        assert quorum() == ""
        assert not monitor(state="absent")["changed"]

    def test_a_quorum_that_nobody_reaches_is_a_failure(self, monitor: Callable[..., dict[str, Any]]) -> None:
        assert "NOQUORUM" in monitor(quorum=9, timeout=1)["msg"]

    def test_a_refused_address_is_a_failure(self, monitor: Callable[..., dict[str, Any]]) -> None:
        assert "Invalid IP address" in monitor(master_host="no-address")["msg"]
