"""A process that reads the database at an interval and exports what it saw. Which figures is a collector's matter."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import kojo_mes
from kojo_mes.kit.database import Database, ReadSession
from kojo_mes.kit.logging import get
from kojo_mes.kit.settings import ExporterSettings

log = get(__name__)
Collect = Callable[[ReadSession], Awaitable[list[Metric]]]


class Snapshot(Collector):
    """The last reading of the database. One that failed takes the figures away: stale ones would look healthy."""

    def __init__(self) -> None:
        self._metrics: list[Metric] = []
        self._up = False
        self._taken_at = 0.0

    def take(self, metrics: list[Metric]) -> None:
        self._metrics, self._up, self._taken_at = metrics, True, time.time()

    def lose(self) -> None:
        self._metrics, self._up = [], False

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("kojo_mes_collector_up", "1 when the last reading succeeded", value=self._up)
        yield GaugeMetricFamily(
            "kojo_mes_collector_last_success_timestamp_seconds", "When it last succeeded", value=self._taken_at
        )
        yield from self._metrics


def create_exporter(settings: ExporterSettings, collect: Collect, path: str) -> Starlette:
    snapshot = Snapshot()
    registry = CollectorRegistry()
    registry.register(snapshot)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        database = Database(settings)
        refreshing = asyncio.create_task(_refresh(database, collect, snapshot, settings.refresh_interval))
        try:
            yield
        finally:
            refreshing.cancel()
            await asyncio.gather(refreshing, return_exceptions=True)
            await database.close()

    def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    def health(_request: Request) -> Response:
        return JSONResponse({"status": "pass", "version": kojo_mes.VERSION})

    return Starlette(routes=[Route(path, metrics), Route("/health", health)], lifespan=lifespan)


async def _refresh(database: Database, collect: Collect, snapshot: Snapshot, interval: float) -> None:
    while True:
        try:
            snapshot.take(await database.read(collect, deadline=interval))
        except Exception as error:
            snapshot.lose()
            log.warning("collect_failed", reason=str(error.__cause__ or error))
        await asyncio.sleep(interval)
