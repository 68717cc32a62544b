"""Stands between service and database: loses the answer to a COMMIT, or counts what a transaction waits for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TypeVar

COMMIT = b"COMMIT"
P = TypeVar("P", bound="LossyProxy")


class LossyProxy:
    """Hands everything on. The next COMMIT on a connection that said `lose_with` reaches the server, its answer nobody:
    the service's own background work goes by."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self.port = 0
        self.lose_with: bytes | None = None
        self.lost = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        answers = asyncio.create_task(self._hand_on(server_reader, writer))
        said = False
        try:
            while data := await reader.read(65536):
                said = said or (self.lose_with is not None and self.lose_with in data)
                losing = said and COMMIT in data
                if losing:
                    answers.cancel()
                    await asyncio.wait({answers})
                server_writer.write(data)
                await server_writer.drain()
                if losing:
                    self.lose_with = None
                    self.lost += 1
                    await server_reader.read(65536)  # committed: the server has said so, to us alone
                    break
        finally:
            answers.cancel()
            for end in (writer, server_writer):
                end.close()

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


class CountingProxy(LossyProxy):
    """Hands everything on. `turns` has, of each transaction that said `about`, how often the service waited for an
    answer, from BEGIN to COMMIT."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.about = b"nothing"
        self.turns: list[int] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        turns, said, answered = 0, False, True

        async def hand_back() -> None:
            nonlocal answered
            with contextlib.suppress(ConnectionError):
                while data := await server_reader.read(65536):
                    answered = True
                    writer.write(data)
                    await writer.drain()
            writer.close()

        answers = asyncio.create_task(hand_back())
        try:
            while data := await reader.read(65536):
                if b"BEGIN" in data:
                    turns, said = 0, False
                turns, answered = turns + answered, False
                said = said or self.about in data
                if said and COMMIT in data:
                    self.turns.append(turns)
                    said = False
                server_writer.write(data)
                await server_writer.drain()
        finally:
            answers.cancel()
            for end in (writer, server_writer):
                end.close()


@contextlib.asynccontextmanager
async def lossy_proxy(port: int) -> AsyncIterator[LossyProxy]:
    async with _serving(LossyProxy(port)) as proxy:
        yield proxy


@contextlib.asynccontextmanager
async def counting_proxy(port: int) -> AsyncIterator[CountingProxy]:
    async with _serving(CountingProxy(port)) as proxy:
        yield proxy


@contextlib.asynccontextmanager
async def _serving(proxy: P) -> AsyncIterator[P]:
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
