"""`kojo-mes api`: the application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from datetime import timedelta

from fastapi import FastAPI
from fastapi.routing import APIRoute

import kojo_mes
from kojo_mes.audit import endpoints as audit
from kojo_mes.audit import exports, sealer
from kojo_mes.capa import endpoints as capa
from kojo_mes.changes import endpoints as changes
from kojo_mes.changes import service as changes_service
from kojo_mes.characteristics import endpoints as characteristics
from kojo_mes.gauges import endpoints as gauges
from kojo_mes.health import endpoints as health
from kojo_mes.health import service as health_service
from kojo_mes.identity import endpoints as identity
from kojo_mes.identity import sessions
from kojo_mes.identity.authority import Directory
from kojo_mes.identity.oidc import Provider, trust
from kojo_mes.identity.strangers import Strangers
from kojo_mes.identity.tokens import AccessTokens
from kojo_mes.kit import metrics, openapi, problems
from kojo_mes.kit.cache import Cache
from kojo_mes.kit.database import Database
from kojo_mes.kit.keys import Signer
from kojo_mes.kit.logging import get
from kojo_mes.kit.middleware import LimitBody, Observe
from kojo_mes.kit.notes import Notes
from kojo_mes.kit.settings import ApiSettings
from kojo_mes.kit.throttle import Throttle
from kojo_mes.line_states import endpoints as line_states
from kojo_mes.lines import endpoints as lines
from kojo_mes.live import endpoints as live
from kojo_mes.live.hub import Hub
from kojo_mes.live.seats import Seats
from kojo_mes.nonconformance import endpoints as nonconformance
from kojo_mes.oee import endpoints as oee
from kojo_mes.oee import service as oee_service
from kojo_mes.orders import endpoints as orders
from kojo_mes.production import endpoints as production
from kojo_mes.products import endpoints as products
from kojo_mes.quality import endpoints as quality
from kojo_mes.readings import endpoints as readings
from kojo_mes.readings import service as readings_service
from kojo_mes.retention import endpoints as archives
from kojo_mes.retention import keeper
from kojo_mes.series import endpoints as series
from kojo_mes.shifts import endpoints as shifts
from kojo_mes.shifts import page as shifts_page
from kojo_mes.signals import service as signals_service
from kojo_mes.signatures import endpoints as signatures
from kojo_mes.signatures import service as signatures_service
from kojo_mes.traceability import endpoints as traceability
from kojo_mes.traceability import genealogy_endpoints as genealogy
from kojo_mes.traceability import list_endpoints as lot_lists

log = get(__name__)
HOUSEKEEPING_INTERVAL = 6 * 3600
HOUSEKEEPING_RETRY = 60
REMINDER = 1.0


def create_app(settings: ApiSettings) -> FastAPI:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database, cache = Database(settings), Cache(settings)
        hub: Hub = app.state.live
        notes = Notes(cache, hub.wake)
        app.state.database, app.state.cache, app.state.notes = database, cache, notes
        background = [
            asyncio.create_task(notes.send()),
            asyncio.create_task(notes.receive()),
            asyncio.create_task(hub.follow(database, cache, notes)),
            asyncio.create_task(health_service.watch(database)),
            asyncio.create_task(_keep_house(database)),
            asyncio.create_task(keeper.watch(database)),
            asyncio.create_task(changes_service.keep(database)),
            asyncio.create_task(oee_service.keep_rolling_up(database)),
            asyncio.create_task(signals_service.keep(database)),
            asyncio.create_task(shifts_page.keep(database)),
        ]
        if settings.seal_key_file:
            signer = Signer.of_file(settings.seal_key_file)
            background.append(asyncio.create_task(sealer.run(database, signer, settings.seal_directory)))
            background.append(asyncio.create_task(exports.run(database, signer, settings.pdf_font)))
        else:
            log.warning("audit_not_sealed", reason="KOJO_MES_SEAL_KEY_FILE is not set")
        try:
            yield
        finally:
            await _end(background)
            await cache.close()
            await database.close()

    app = FastAPI(
        title="Kojo manufacturing service",
        version=kojo_mes.VERSION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page loads scripts from outside the plant
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
    )
    app.state.settings = settings
    app.state.fingerprint_key = settings.key_for("idempotency")
    app.state.tokens = AccessTokens(settings.key_for("access token"), timedelta(seconds=settings.access_token_lifetime))
    app.state.provider = (
        Provider(settings, settings.key_for("OpenID login"), trust(settings)) if settings.oidc_issuer else None
    )
    app.state.strangers = Strangers(settings.key_for("strangers"))
    app.state.authority = Directory(settings.api_keys, app.state.tokens)
    app.state.live = Hub(Seats(settings.live_streams, settings.live_streams_each))
    app.state.throttle = Throttle(settings)
    app.state.silence_limit = settings.silence_limit
    problems.install(app)
    for router in (
        identity.router,
        lines.router,
        products.router,
        shifts.router,
        line_states.router,
        production.router,
        oee.router,
        readings.router,
        series.router,
        live.router,
        signatures.router,
        changes.router,
        gauges.router,
        characteristics.router,
        quality.router,
        nonconformance.router,
        nonconformance.holds_router,
        capa.router,
        orders.router,
        traceability.router,
        lot_lists.router,
        genealogy.router,
        audit.router,
        archives.router,
        health.router,
        metrics.router,
    ):
        app.include_router(router)
    openapi.install(app)
    app.add_middleware(LimitBody)
    app.add_middleware(Observe, service="kojo-mes")
    return app


def _operation_id(route: APIRoute) -> str:
    return f"{route.tags[0]}-{route.name}" if route.tags else route.name


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    """A library may take a cancellation for its own (redis-py does while it connects): who goes on is told again."""
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=REMINDER)
    await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_house(database: Database) -> None:
    while True:
        try:
            await readings_service.housekeeping(database)
            await database.write(sessions.forget, repeatable=True)
            await signatures_service.housekeeping(database)
            await database.write(keeper.hold, repeatable=True)
        except Exception as error:
            log.warning("housekeeping_failed", reason=str(error))
            await asyncio.sleep(HOUSEKEEPING_RETRY)
        else:
            await asyncio.sleep(HOUSEKEEPING_INTERVAL)
