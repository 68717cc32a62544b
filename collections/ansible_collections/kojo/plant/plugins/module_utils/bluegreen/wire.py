# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Agents' lines: over a Unix socket on the edge, over TLS 1.3 with the plant's certificates between edges."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PORT = 8405
MOST_BYTES = 64 * 1024
FAREWELL = 1.0  # seconds that the other side has to close
PATIENCE = 15.0  # seconds for one request: longer than the furthest instant of a commit

Message = dict[str, Any]
Answer = Callable[[Mapping[str, Any]], Awaitable[Message]]


class Unreachable(Exception):
    """No agent answers there."""


class Told(Exception):
    """An agent's no. KIND: the name of its reason."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Certificates:
    ca: Path
    certificate: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.ca))
        context.verify_mode = ssl.CERT_REQUIRED
        return self._ours(context)

    def client(self) -> ssl.SSLContext:
        return self._ours(ssl.create_default_context(cafile=str(self.ca)))

    def load(self, context: ssl.SSLContext) -> None:
        """Have new connections of CONTEXT show the certificate that is there now."""
        context.load_cert_chain(self.certificate, self.key)

    def _ours(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.load(context)
        return context


@dataclass(frozen=True)
class Peer:
    """An edge's agent as another one reaches it: by ADDRESS; its certificate names NAME."""

    name: str
    address: str
    port: int = PORT

    async def ask(self, context: ssl.SSLContext, seconds: float, request: Message) -> Message:
        opening = asyncio.open_connection(
            self.address, self.port, ssl=context, server_hostname=self.name, limit=MOST_BYTES
        )
        return await _exchange(self.name, opening, seconds, request)


async def ask_here(path: str, seconds: float, request: Message) -> Message:
    """Ask this edge's own agent."""
    return await _exchange(path, asyncio.open_unix_connection(path, limit=MOST_BYTES), seconds, request)


async def _exchange(
    where: str,
    opening: Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]],
    seconds: float,
    request: Mapping[str, Any],
) -> Message:
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await opening
            async with _closing(writer):
                writer.write(json.dumps(request).encode() + b"\n")
                await writer.drain()
                answer = json.loads(await reader.readline())
    except (OSError, ValueError) as error:
        raise Unreachable(f"{where}: {error or type(error).__name__}") from error
    if not isinstance(answer, dict):
        raise Unreachable(f"{where}: answered with something that is no object")
    if "error" in answer:
        raise Told(str(answer["error"]), str(answer.get("message", "")))
    return answer


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(FAREWELL):
                await writer.wait_closed()


def serve(answer: Answer, allowed: Collection[str] = ()) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
    """What a server does with a connection: one request, one answer. Over TLS only those ALLOWED (names in their
    certificates) may ask; over the Unix socket its mode decides."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            async with _closing(writer), asyncio.timeout(PATIENCE):
                if not _may(writer, allowed):
                    reply: Message = {"error": "Forbidden", "message": "this certificate may not ask here"}
                else:
                    request = json.loads(await reader.readline())
                    reply = await answer(request if isinstance(request, dict) else {})
                writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()

    return connected


def _may(writer: asyncio.StreamWriter, allowed: Collection[str]) -> bool:
    tls = writer.get_extra_info("ssl_object")
    if tls is None:
        return True
    names = {value for kind, value in tls.getpeercert().get("subjectAltName", ()) if kind == "DNS"}
    return not names.isdisjoint(allowed)
