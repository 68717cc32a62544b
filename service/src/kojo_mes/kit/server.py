"""One way to serve: TLS 1.3 with a client certificate of the plant's CA, and a clean end on SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import signal
import socket
import ssl
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kojo_mes.kit.settings import ListenSettings

DRAIN_SECONDS = 20
STALL_SECONDS = 30.0


class TellingPeer(HttpToolsProtocol):
    """Tells the application the SHA-256 of the client certificate that the listener verified, as an extension of the
    scope: `extensions.tls.client_cert_sha256`. A header could be forged by whoever sends it.

    A client that doesn't take what it asked for is left: its connection would hold the answer, and the end, for good.
    """

    _stalled: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._moves()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._moves()
        super().connection_lost(exc)

    def _moves(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        tls = self.transport.get_extra_info("ssl_object")
        if tls and (certificate := tls.getpeercert(binary_form=True)):
            fingerprint = hashlib.sha256(certificate).hexdigest()
            self.scope["extensions"] = {"tls": {"client_cert_sha256": fingerprint}}


def configuration(app: ASGIApp, settings: ListenSettings, port: int) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        host=settings.listen_address,
        port=settings.listen_port or port,
        loop="uvloop",
        http=TellingPeer,
        ws="none",
        forwarded_allow_ips=list(settings.balancers),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        ssl_ca_certs=str(settings.tls_ca) if settings.tls_ca else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if settings.tls_ca else ssl.CERT_NONE,
    )
    config.load()
    if config.ssl:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    return config


class Server(uvicorn.Server):
    """Says when it begins to end: an answer without an end of its own would be waited for."""

    def __init__(self, config: uvicorn.Config, leave: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._leave = leave

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """What there is by now stays for good: to go through it again and again would stop all requests, 0.2 s each."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._leave is not None:
            self._leave()
        await super().shutdown(sockets)


def serve(app: ASGIApp, settings: ListenSettings, port: int, leave: Callable[[], None] | None = None) -> bool:
    """Returns after SIGTERM or SIGINT, when the running requests are answered. `leave` is called before that. False
    when it never began: the application failed as it started, or the port is another's."""
    config = configuration(app, settings, port)
    # uvicorn raises the signal again after its clean end, which would kill the process instead of returning
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        Server(config, leave).run()
    except SystemExit:  # uvicorn's own code for it, 3, means something else here
        return False
    return True
