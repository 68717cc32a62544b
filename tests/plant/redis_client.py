"""redis-cli on a host of the plant, as one of its users."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from testinfra.host import Host

from tests.plant.inventory import Plant, attempt

REDIS, SENTINEL = 6379, 26379
CERTIFICATE = ["--cert", "/etc/kojo/pki/host.crt", "--key", "/etc/kojo/pki/host.key"]
TLS = ["--tls", "--cacert", "/etc/kojo/pki/ca.crt"]


@dataclass(frozen=True)
class Client:
    """Runs redis-cli on one host against any address."""

    host: Host
    addresses: list[str]
    secrets: dict[str, str] = field(repr=False)

    def raw(self, address: str, port: int, options: list[str], *words: str, password: str = "") -> str:
        command = ["redis-cli", "-h", address, "-p", str(port), "-t", "5", *options, *words]
        done = attempt(self.host, f"REDISCLI_AUTH={shlex.quote(password)} {shlex.join(command)}")
        return f"{done.stdout}{done.stderr}".strip()

    def call(self, user: str, address: str, *words: str, port: int = REDIS) -> str:
        password = self.secrets[f"redis_{user}_password"]
        return self.raw(address, port, [*TLS, *CERTIFICATE, "--user", f"kojo_{user}"], *words, password=password)

    def ask(self, user: str, address: str, *words: str) -> str:
        return self.call(user, address, *words, port=SENTINEL)

    def refusals(self, user: str, address: str, commands: list[str], port: int = REDIS) -> list[str]:
        """The answers to commands that are all refused, one line each, over one connection."""
        password = self.secrets[f"redis_{user}_password"]
        options = shlex.join(["-h", address, "-p", str(port), *TLS, *CERTIFICATE, "--user", f"kojo_{user}"])
        lines = shlex.quote("\n".join(commands))
        done = self.host.run(f"echo {lines} | REDISCLI_AUTH={shlex.quote(password)} redis-cli {options}")
        return [line for line in done.stdout.splitlines() if line]

    def master(self, sentinel: str) -> str:
        return self.ask("app", sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "kojo").splitlines()[0]

    def role(self, address: str) -> str:
        return self.call("admin", address, "ROLE").splitlines()[0]


@pytest.fixture
def client(plant: Plant, host: Callable[[str], Host]) -> Client:
    hosts = plant.groups["cache"]
    return Client(host(hosts[0]), [plant.address(name) for name in hosts], plant.secrets)


@pytest.fixture
def master(client: Client) -> str:
    return client.master(client.addresses[0])


@pytest.fixture
def key() -> str:
    return f"kojo-mes:test:{uuid.uuid4()}"
