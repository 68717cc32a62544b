"""The oracle: the protocol's own examples, and what Redis 8.0.2 was seen to send."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.resp import (
    Refused,
    Reply,
    RespClient,
    RespError,
    TlsStream,
    Unreachable,
)


class Wire:
    """Gives what the server sent, keeps what the client wrote."""

    def __init__(self, replies: bytes) -> None:
        self.sent = b""
        replies_file = io.BytesIO(replies)
        self.readline = replies_file.readline
        self.read = replies_file.read
        self.close = replies_file.close

    def write(self, data: bytes) -> None:
        self.sent += data


def test_a_command_is_an_array_of_bulk_strings() -> None:
    wire = Wire(b"+OK\r\n")
    RespClient(wire).call("SET", "key", "値")
    assert wire.sent == b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$3\r\n\xe5\x80\xa4\r\n"


@pytest.mark.parametrize(
    ("raw", "reply"),
    [
        (b"+OK\r\n", "OK"),
        (b":1000\r\n", 1000),
        (b":-1\r\n", -1),
        (b"$5\r\nhello\r\n", "hello"),
        (b"$0\r\n\r\n", ""),
        (b"$4\r\na\r\nb\r\n", "a\r\nb"),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"*0\r\n", []),
        (b"*2\r\n*2\r\n:1\r\n:2\r\n*2\r\n+a\r\n$-1\r\n", [[1, 2], ["a", None]]),
    ],
)
def test_replies(raw: bytes, reply: Reply) -> None:
    assert RespClient(Wire(raw)).call("PING") == reply


@pytest.mark.parametrize(
    "text",
    [
        "ERR No such master with that name",
        "NOAUTH Authentication required.",
        "NOPERM User kojo_app has no permissions to run the 'sentinel|remove' command",
        "WRONGPASS invalid username-password pair or user is disabled.",
        "LOADING Redis is loading the dataset in memory",
    ],
)
def test_an_error_reply_is_raised_with_redis_own_words(text: str) -> None:
    with pytest.raises(RespError, match=f"^{text}$".replace("|", "[|]")):
        RespClient(Wire(f"-{text}\r\n".encode())).call("PING")


@pytest.mark.parametrize("raw", [b"HTTP/1.1 400 Bad Request\r\n", b"$five\r\n", b"_\r\n"])
def test_what_is_no_resp_is_refused(raw: bytes) -> None:
    with pytest.raises(RespError, match="not a reply of Redis"):
        RespClient(Wire(raw)).call("PING")


@pytest.mark.parametrize("raw", [b"", b"+O", b"$5\r\nhel", b"*2\r\n:1\r\n"])
def test_a_reply_that_was_cut_is_no_reply(raw: bytes) -> None:
    with pytest.raises(Unreachable, match="in the middle of a reply"):
        RespClient(Wire(raw)).call("PING")


def test_login_names_the_user() -> None:
    wire = Wire(b"+OK\r\n")
    RespClient(wire).login("kojo_admin", "secret")
    assert wire.sent == b"*3\r\n$4\r\nAUTH\r\n$10\r\nkojo_admin\r\n$6\r\nsecret\r\n"


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Accepts, and closes the connection at once: no TLS."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Refused, match=f"127.0.0.1:{port}"):
        TlsStream("127.0.0.1", port, "/etc/ssl/certs/ca-certificates.crt", None, None, 1)


def test_a_listener_without_tls_is_not_a_refusal(silent_port: int) -> None:
    with pytest.raises(Unreachable, match=f"127.0.0.1:{silent_port}") as error:
        TlsStream("127.0.0.1", silent_port, "/etc/ssl/certs/ca-certificates.crt", None, None, 0.05)
    assert not isinstance(error.value, Refused)


def test_a_missing_authority_names_its_file() -> None:
    with pytest.raises(Unreachable, match=r"/nonexistent/ca\.crt"):
        TlsStream("127.0.0.1", 1, "/nonexistent/ca.crt", None, None, 1)
