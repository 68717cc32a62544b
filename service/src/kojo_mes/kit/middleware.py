"""Plain ASGI: the context of a request reaches its logs, and no body is buffered twice."""

from __future__ import annotations

import time
import uuid
from http import HTTPStatus

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kojo_mes.kit.logging import get
from kojo_mes.kit.metrics import REQUEST_DURATION, REQUESTS_RUNNING
from kojo_mes.kit.problems import Problem

log = get(__name__)
# asked for every few seconds by machines: counted, not logged
QUIET = ("/health", "/metrics")
LARGEST_BODY = 1024 * 1024
STREAM = b"text/event-stream"


class Observe:
    """A request id on every log line and answer; duration by route; one log line a request."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(uuid.uuid4())
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        started = time.perf_counter()
        streams = False

        def answered() -> None:
            REQUESTS_RUNNING.dec()
            seconds = time.perf_counter() - started
            # the template, not the path: a label's values must be few
            route = getattr(scope.get("route"), "path", "unmatched")
            REQUEST_DURATION.labels(self._service, route, scope["method"], str(status)).observe(seconds)
            if not scope["path"].startswith(QUIET):
                log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    milliseconds=round(seconds * 1000, 1),
                )

        async def observed(message: Message) -> None:
            nonlocal status, streams
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.setdefault("headers", [])
                streams = dict(headers).get(b"content-type", b"").startswith(STREAM)
                headers.append((b"x-request-id", request_id.encode()))
                if streams:
                    answered()  # an hour of events is no latency of an hour
            await send(message)

        REQUESTS_RUNNING.inc()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, observed)
            finally:
                if not streams:
                    answered()


class LimitBody:
    """Refuses a body that is too large as soon as it is known: by its declared length, or while it arrives."""

    def __init__(self, app: ASGIApp, largest: int = LARGEST_BODY) -> None:
        self._app = app
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if int(declared) > self._largest:
            await self._problem().response()(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._largest:
                raise self._problem()
            return message

        await self._app(scope, limited, send)

    def _problem(self) -> Problem:
        return Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "body-too-large",
            "The body is too large",
            f"At most {self._largest} bytes; send smaller batches.",
        )
