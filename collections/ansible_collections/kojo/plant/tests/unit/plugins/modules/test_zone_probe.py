"""Against real sockets of the loopback."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.modules import zone_probe

HOST = "127.0.0.1"


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    """A port that was just given back."""
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture
def silent_listener() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HOST, 0))
        yield server.getsockname()[1]


def state(protocol: str, port: int, timeout: float = 5.0) -> str:
    return asyncio.run(zone_probe.probe(HOST, protocol, port, timeout))


def test_an_answer_is_open(listener: int) -> None:
    assert state("tcp", listener) == "open"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_refusal_is_refused(closed_port: int, protocol: str) -> None:
    assert state(protocol, closed_port) == "refused"


def test_silence_is_filtered(silent_listener: int) -> None:
    assert state("udp", silent_listener, timeout=0.01) == "filtered"


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.EHOSTUNREACH, "unreachable"), (errno.ENETUNREACH, "unreachable"), (errno.EPERM, "filtered")],
)
def test_what_the_kernel_says_of_the_way(monkeypatch: pytest.MonkeyPatch, number: int, expected: str) -> None:
    async def refuse(*_arguments: object) -> None:
        raise OSError(number, "from the test")

    monkeypatch.setattr(zone_probe, "converse", refuse)
    assert state("tcp", 1) == expected


def test_a_fault_of_the_prober_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    async def exhaust(*_arguments: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(zone_probe, "converse", exhaust)
    with pytest.raises(OSError, match="Too many open files"):
        state("tcp", 1)


def test_own_addresses_are_not_tried(listener: int) -> None:
    targets = [{"addresses": [HOST], "protocol": "tcp", "ports": [listener]}]
    result = asyncio.run(zone_probe.probe_all(targets, 1.0, 1))
    assert result == [{"address": HOST, "protocol": "tcp", "port": listener, "state": "local"}]


def test_every_probe_is_made_in_order_and_no_more_at_a_time_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: list[int] = []
    most = 0

    async def count(_address: str, _protocol: str, port: int, _timeout: float) -> str:
        nonlocal most
        waiting.append(port)
        most = max(most, len(waiting))
        await asyncio.sleep(0)
        waiting.remove(port)
        return "open"

    monkeypatch.setattr(zone_probe, "probe", count)
    monkeypatch.setattr(zone_probe, "is_local", lambda _address: False)
    targets: list[dict[str, Any]] = [
        {"addresses": ["192.0.2.1", "192.0.2.2"], "protocol": "tcp", "ports": [1, 2, 3]},
        {"addresses": ["192.0.2.1"], "protocol": "icmp", "ports": []},
    ]
    result = asyncio.run(zone_probe.probe_all(targets, 1.0, 2))
    assert [(probe["address"][-1], probe["protocol"], probe["port"]) for probe in result] == [
        *(("1", "tcp", port) for port in (1, 2, 3)),
        *(("2", "tcp", port) for port in (1, 2, 3)),
        ("1", "icmp", 0),
    ]
    assert most == 2
