# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""RESP2, the protocol of Redis and Sentinel, over TLS with the plant's certificates."""

from __future__ import annotations

import socket
import ssl
from typing import Protocol, Union

Reply = Union[str, int, None, list["Reply"]]  # noqa: UP007 (a recursive alias needs the quoted name)


class Unreachable(Exception):
    """Nobody answers at the address, or TLS failed."""


class Refused(Unreachable):
    """The host is up, and nothing listens on the port."""


class RespError(Exception):
    """The server answered with an error, or with something that isn't RESP."""


class Stream(Protocol):
    """What the client needs of a connection; tests pass their own."""

    def write(self, data: bytes) -> None: ...

    def readline(self) -> bytes: ...

    def read(self, size: int) -> bytes: ...

    def close(self) -> None: ...


class TlsStream:
    """One TLS connection. The server's certificate must name HOST."""

    def __init__(
        self, host: str, port: int, ca_file: str, cert_file: str | None, key_file: str | None, timeout: float
    ) -> None:
        self._where = f"{host}:{port}"
        try:
            context = ssl.create_default_context(cafile=ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            if cert_file:
                context.load_cert_chain(cert_file, key_file)
        except OSError as error:
            raise Unreachable(f"{self._where}: certificates {ca_file}, {cert_file}, {key_file}: {error}") from error
        try:
            plain = socket.create_connection((host, port), timeout)
        except ConnectionRefusedError as error:
            raise Refused(f"{self._where}: {error}") from error
        except OSError as error:
            raise Unreachable(f"{self._where}: {error}") from error
        try:
            self._socket = context.wrap_socket(plain, server_hostname=host)
        except OSError as error:
            plain.close()
            raise Unreachable(f"{self._where}: {error}") from error
        self._file = self._socket.makefile("rb")

    def write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Unreachable(f"{self._where}: {error}") from error

    def readline(self) -> bytes:
        try:
            return self._file.readline()
        except OSError as error:
            raise Unreachable(f"{self._where}: {error}") from error

    def read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise Unreachable(f"{self._where}: {error}") from error

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class RespClient:
    """Sends a command, returns its reply; an error reply is raised."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def login(self, username: str, password: str) -> None:
        reply = self.call("AUTH", username, password)
        if reply != "OK":
            raise RespError(f"AUTH {username}: expected OK, got {reply!r}")

    def call(self, *words: str) -> Reply:
        parts = [f"*{len(words)}\r\n".encode()]
        for word in words:
            encoded = word.encode()
            parts.append(b"$%d\r\n%s\r\n" % (len(encoded), encoded))
        self._stream.write(b"".join(parts))
        return self._reply()

    def close(self) -> None:
        self._stream.close()

    def _reply(self) -> Reply:
        line = self._stream.readline()
        if not line.endswith(b"\r\n"):
            raise Unreachable("the connection was closed in the middle of a reply")
        kind, rest = line[:1], line[1:-2].decode(errors="replace")
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RespError(rest)
        if kind not in (b":", b"$", b"*"):
            raise RespError(f"not a reply of Redis: {line[:80]!r}")
        try:
            number = int(rest)
        except ValueError as error:
            raise RespError(f"not a reply of Redis: {line[:80]!r}") from error
        if kind == b":":
            return number
        if number == -1:
            return None
        if kind == b"*":
            return [self._reply() for _ in range(number)]
        return self._text(number)

    def _text(self, size: int) -> str:
        data = self._stream.read(size + 2)
        if len(data) != size + 2:
            raise Unreachable("the connection was closed in the middle of a reply")
        return data[:-2].decode(errors="replace")
