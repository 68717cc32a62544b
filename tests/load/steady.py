"""A steady load through the virtual address, TLS 1.3: each request's instant, duration and fault are kept.

Of 210 requests a second 170 go over 20 kept-alive connections and 40 over a new connection each: a TLS handshake costs
both ends more than a cheap request does, and the load has two cores with all of a lab. Most are `GET /health`, which
every colour answers itself; 30 a second read the latest readings, 15 write a reading under an idempotency key of its
own. A connection asks at its own instants, whether or not the answer before came late: what a stall delays counts as
long as a user would wait. Nothing is tried again; whatever isn't a 2xx is a fault.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import NamedTuple

import httpx

from tests.load.connection import Connection
from tests.load.live import SILENCE, Listener
from tests.load.shopfloor import LINE
from tests.load.writers import TEXT, TICK

PATIENCE = 10.0


class Kind(NamedTuple):
    """RATE requests a second in all, over CONNECTIONS connections; a FRESH one is made anew for each request."""

    name: str
    rate: float
    connections: int
    fresh: bool = False

    @property
    def told(self) -> str:
        """Return the name in a report."""
        return f"{self.name}, new connection" if self.fresh else self.name

    @property
    def interval(self) -> float:
        """Return the seconds between two requests of one connection."""
        return self.connections / self.rate


KINDS = (
    Kind("health", 140, 14),
    Kind("latest", 20, 4),
    Kind("write", 10, 2),
    Kind("health", 25, 5, fresh=True),
    Kind("latest", 10, 2, fresh=True),
    Kind("write", 5, 1, fresh=True),
)
PATHS = {"health": "/health", "latest": f"/api/v1/readings/latest?line={LINE}"}
RATE = sum(kind.rate for kind in KINDS)


class Request(NamedTuple):
    """AT: when it was due, seconds since 1970; FAULT: empty if it was answered well."""

    name: str
    at: float
    seconds: float
    fault: str


class Load:
    """RATE requests a second, sent to ADDRESS with a device's KEY, and what came of them."""

    def __init__(
        self, address: str, tls: ssl.SSLContext, key: str, *, rate: float = RATE, token: str = "", port: int = 443
    ) -> None:
        """TOKEN: of a person, who then listens to the live events besides."""
        tls.minimum_version = ssl.TLSVersion.TLSv1_3
        self.requests: list[Request] = []
        self.stop = threading.Event()
        self._address, self._port, self._tls, self._key, self._token = address, port, tls, key, token
        self._kinds = [kind._replace(rate=kind.rate * rate / RATE) for kind in KINDS]
        self._epoch = time.time() - time.monotonic()
        self._began = datetime.now(UTC)
        self._numbers = itertools.count(1)

    @property
    def failures(self) -> Counter[str]:
        """Return what went wrong, and how often."""
        return Counter(f"{request.name}: {request.fault}" for request in self.requests if request.fault)

    def run(self) -> None:
        """Send until `stop` is set, and wait for the answers."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for kind in self._kinds:
                for number in range(kind.connections):
                    group.create_task(self._client(kind, number / kind.rate))
            if self._token:
                group.create_task(self._listen())

    async def _client(self, kind: Kind, offset: float) -> None:
        connection = Connection(self._address, self._port, self._tls, self._key, fresh=kind.fresh)
        due = time.monotonic() + offset
        while not self.stop.is_set():
            await asyncio.sleep(due - time.monotonic())
            fault = await self._ask(connection, kind.name)
            self.requests.append(Request(kind.told, self._epoch + due, time.monotonic() - due, fault))
            due += kind.interval
        connection.close()

    async def _ask(self, connection: Connection, name: str) -> str:
        """Return what went wrong."""
        try:
            async with asyncio.timeout(PATIENCE):
                if name == "write":
                    status, body = await self._write(connection)
                else:
                    status, body = await connection.get(PATHS[name])
        except (OSError, EOFError, ValueError) as error:
            return repr(error)
        return "" if status < HTTPStatus.MULTIPLE_CHOICES else f"{status} {body[:200].decode(errors='replace')}"

    async def _write(self, connection: Connection) -> tuple[int, bytes]:
        number = next(self._numbers)
        instant = f"{self._began + number * TICK:{TEXT}}Z"
        reading = {"sensor": f"{LINE}-1.temperature", "time": instant, "value": 61.5}
        key = f"{LINE}-{self._began:%H%M%S%f}-{number}"
        return await connection.post("/api/v1/readings", {"readings": [reading]}, key)

    async def _listen(self) -> None:
        url = f"https://{self._address}:{self._port}"
        async with httpx.AsyncClient(base_url=url, verify=self._tls, timeout=SILENCE, trust_env=False) as http:
            listener = Listener(http, self._token, self.stop)
            while not self.stop.is_set():
                began = time.time()
                self.requests.append(Request("live", began, *await listener.connect()))


@contextmanager
def steadily(load: Load) -> Iterator[Load]:
    """The load at work for as long as the block lasts; all of it is answered when the block ends."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(load.run)
        try:
            yield load
        finally:
            load.stop.set()
        running.result()
