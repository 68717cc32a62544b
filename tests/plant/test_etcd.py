"""etcd from outside: etcdctl as each user, and raw TLS with and without a certificate."""

from __future__ import annotations

import json
import shlex
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from testinfra.backend.base import CommandResult
from testinfra.host import Host

from tests.plant.inventory import Plant
from tests.wait import eventually

CLIENTS, PEERS, METRICS = 2379, 2380, 2381

# a server refuses a TLS 1.3 client after the handshake: only what is read then tells
TLS_PROBE = """
import socket, ssl, sys
address, port, version, certificate = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
context = ssl.create_default_context(cafile="/etc/kojo/pki/ca.crt")
context.maximum_version = ssl.TLSVersion[version]
if certificate == "with":
    context.load_cert_chain("/etc/kojo/pki/host.crt", "/etc/kojo/pki/host.key")
with context.wrap_socket(socket.create_connection((address, port), 5), server_hostname=address) as stream:
    stream.sendall(b"GET /metrics HTTP/1.0\\r\\n\\r\\n")
    print("answer:", b"".join(iter(lambda: stream.recv(65536), b"")).decode())
"""


@dataclass(frozen=True)
class Etcd:
    """The members, asked from one of their hosts."""

    plant: Plant
    host: Callable[[str], Host]

    @property
    def names(self) -> list[str]:
        return self.plant.groups["database"]

    def ctl(self, user: str | None, *words: str, endpoints: list[str] | None = None) -> CommandResult:
        addresses = [self.plant.address(name) for name in endpoints or self.names]
        options = {
            "ETCDCTL_ENDPOINTS": ",".join(f"https://{address}:{CLIENTS}" for address in addresses),
            "ETCDCTL_CACERT": "/etc/kojo/pki/ca.crt",
            "ETCDCTL_CERT": "/etc/kojo/pki/host.crt",
            "ETCDCTL_KEY": "/etc/kojo/pki/host.key",
        }
        if user:
            options["ETCDCTL_USER"] = f"{user}:{self.plant.secrets[f'etcd_{user}_password']}"
        settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in options.items())
        return self.host(self.names[0]).run(f"{settings} etcdctl {shlex.join(words)}")

    def probe(self, name: str, port: int, version: str, certificate: str) -> str:
        command = ["python3", "-c", TLS_PROBE, self.plant.address(name), str(port), version, certificate]
        done = self.host(name).run(shlex.join(command))
        return str(done.stdout + done.stderr)


@pytest.fixture(scope="module")
def etcd(plant: Plant, host: Callable[[str], Host]) -> Etcd:
    return Etcd(plant, host)


def test_all_members_follow_one_leader(etcd: Etcd) -> None:
    status = json.loads(etcd.ctl("root", "endpoint", "status", "--write-out=json").stdout)
    assert len(status) == len(etcd.names)
    assert len({entry["Status"]["leader"] for entry in status}) == 1
    assert status[0]["Status"]["leader"] in {entry["Status"]["header"]["member_id"] for entry in status}


def test_the_cluster_has_the_inventorys_members_and_no_others(etcd: Etcd) -> None:
    members = json.loads(etcd.ctl("root", "member", "list", "--write-out=json").stdout)["members"]
    peers = {member["name"]: member["peerURLs"] for member in members}
    assert peers == {name: [f"https://{etcd.plant.address(name)}:{PEERS}"] for name in etcd.names}


@pytest.mark.parametrize("words", [("get", "/kojo/", "--prefix"), ("put", "/kojo/x", "1"), ("user", "list")])
def test_a_certificate_alone_is_nobody(etcd: Etcd, words: tuple[str, ...]) -> None:
    for name in etcd.names:
        done = etcd.ctl(None, *words, endpoints=[name])
        assert done.rc != 0
        assert "user name is empty" in done.stderr


def test_patroni_has_its_prefix_and_nothing_else(etcd: Etcd) -> None:
    key = f"/kojo/test/{uuid.uuid4()}"
    assert etcd.ctl("patroni", "put", key, "1").rc == 0
    assert etcd.ctl("patroni", "get", key, "--print-value-only").stdout.strip() == "1"
    assert etcd.ctl("patroni", "del", key).rc == 0
    for words in [
        ("put", "/other", "1"),
        ("get", "/", "--prefix"),
        ("get", "/kojo0"),
        ("user", "add", "x:y"),
        ("auth", "disable"),
    ]:
        done = etcd.ctl("patroni", *words)
        assert done.rc != 0
        assert "permission denied" in done.stderr


@pytest.mark.parametrize("port", [CLIENTS, PEERS, METRICS])
def test_nobody_comes_in_without_a_certificate_or_with_tls_1_2(etcd: Etcd, port: int) -> None:
    for name in etcd.names:
        assert "CERTIFICATE_REQUIRED" in etcd.probe(name, port, "TLSv1_3", "without")
        assert "ALERT_PROTOCOL_VERSION" in etcd.probe(name, port, "TLSv1_2", "with")


def test_metrics_are_there_for_who_has_a_certificate(etcd: Etcd) -> None:
    for name in etcd.names:
        assert "\netcd_server_has_leader 1\n" in etcd.probe(name, METRICS, "TLSv1_3", "with")


def test_a_killed_member_comes_back(etcd: Etcd) -> None:
    name = etcd.names[-1]
    etcd.host(name).run_expect([0], "systemctl kill --signal=KILL etcd.service")

    def health() -> int:
        return int(etcd.ctl("root", "endpoint", "health", endpoints=[name]).rc)

    eventually(health, lambda code: code == 0, 60)
