"""Sentinel's commands. Replies and error texts are what Sentinel 8.0.2 was seen to send."""

from __future__ import annotations

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.resp import RespError
from ansible_collections.kojo.plant.plugins.module_utils.sentinel import Sentinel
from ansible_collections.kojo.plant.tests.unit.plugins.sentinel_wire import SentinelWire


def test_a_master_that_is_not_monitored_is_none() -> None:
    wire = SentinelWire({})
    assert Sentinel(wire.client).master("kojo") is None


def test_a_master_that_is_monitored() -> None:
    wire = SentinelWire({"kojo": {"ip": "10.77.31.13", "quorum": "2"}})
    master = Sentinel(wire.client).master("kojo")
    assert master is not None
    assert (master["ip"], master["quorum"]) == ("10.77.31.13", "2")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"bogus": "1"}, "Unknown option or number of arguments for SENTINEL SET 'bogus'"),
        ({"quorum": "0"}, "Invalid argument '0' for SENTINEL SET 'quorum'"),
    ],
)
def test_a_refused_setting_is_a_failure(settings: dict[str, str], text: str) -> None:
    wire = SentinelWire({"kojo": {"ip": "10.77.31.13", "quorum": "2"}})
    with pytest.raises(RespError, match=text):
        Sentinel(wire.client).set("kojo", settings)


def test_a_name_that_is_taken_is_a_failure() -> None:
    wire = SentinelWire({"kojo": {"ip": "10.77.31.13", "quorum": "2"}})
    with pytest.raises(RespError, match="Duplicate master name"):
        Sentinel(wire.client).monitor("kojo", "10.77.31.11", 6379, 2)


def test_an_address_that_is_none_is_a_failure() -> None:
    with pytest.raises(RespError, match="Invalid IP address or hostname specified"):
        Sentinel(SentinelWire({}).client).monitor("kojo", "db3", 6379, 2)


@pytest.mark.parametrize(
    ("command", "raw"),
    [
        ("remove", b"+QUEUED\r\n"),
        ("remove", b":1\r\n"),
        ("check_quorum", b"+PONG\r\n"),
        ("check_quorum", b"*0\r\n"),
        ("master", b"+OK\r\n"),
        ("master", b"*1\r\n$4\r\nname\r\n"),
        ("master", b"*2\r\n$4\r\nname\r\n:1\r\n"),
    ],
)
def test_an_unexpected_reply_is_a_failure(command: str, raw: bytes) -> None:
    wire = SentinelWire({}, override=raw)
    with pytest.raises(RespError, match=r"expected|unexpected"):
        getattr(Sentinel(wire.client), command)("kojo")


def test_an_unexpected_reply_does_not_tell_secrets() -> None:
    wire = SentinelWire({}, override=b"*3\r\n$13\r\nsentinel-pass\r\n$6\r\nsecret\r\n$1\r\nx\r\n")
    with pytest.raises(RespError) as error:
        Sentinel(wire.client).configuration("sentinel-*")
    assert "secret" not in str(error.value)
