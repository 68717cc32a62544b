# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""JSON over HTTPS with the plant's certificates: what clients of daemons on a host share."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.parse
from dataclasses import dataclass
from typing import Any, Protocol

# The options of a module that talks to one daemon (documentation: the fragment kojo.plant.https).
HTTPS_OPTIONS: dict[str, dict[str, Any]] = {
    "url": {"type": "str", "required": True},
    "ca_file": {"type": "path", "required": True},
    "cert_file": {"type": "path"},
    "key_file": {"type": "path"},
    "timeout": {"type": "int", "default": 60},
}
REQUEST_TIMEOUT = 10.0


class Unreachable(Exception):
    """Nobody answers at the address, or TLS failed."""


@dataclass(frozen=True)
class Response:
    status: int
    data: Any


class Transport(Protocol):
    """What a client needs of a connection; tests pass their own."""

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Response: ...


class HttpsJson:
    """One daemon; a connection a request, so that a daemon that was restarted is no special case."""

    def __init__(
        self,
        url: str,
        ca_file: str,
        cert_file: str | None = None,
        key_file: str | None = None,
        basic_auth: tuple[str, str] | None = None,
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError(f"url: {url!r} is not of the form https://address:port")
        self._host, self._port = parts.hostname, parts.port or 443
        self._tls = (ca_file, cert_file, key_file)
        self._headers = {"Content-Type": "application/json"}
        if basic_auth:
            token = base64.b64encode(":".join(basic_auth).encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"

    def _context(self) -> ssl.SSLContext:
        ca_file, cert_file, key_file = self._tls
        context = ssl.create_default_context(cafile=ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if cert_file:
            context.load_cert_chain(cert_file, key_file)
        return context

    def request(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Response:
        payload = None if body is None else json.dumps(body).encode()
        try:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=REQUEST_TIMEOUT, context=self._context()
            )
            try:
                connection.request(method, path, body=payload, headers={**self._headers, **(headers or {})})
                answer = connection.getresponse()
                text = answer.read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"https://{self._host}:{self._port}{path}: {error}") from error
        try:
            data = json.loads(text)
        except ValueError:
            data = text.decode(errors="replace")
        return Response(answer.status, data)
