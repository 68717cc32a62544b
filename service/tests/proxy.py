"""Stands between service and database, and loses the answer to a COMMIT."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

COMMIT = b"COMMIT"


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


@contextlib.asynccontextmanager
async def lossy_proxy(port: int) -> AsyncIterator[LossyProxy]:
    proxy = LossyProxy(port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
