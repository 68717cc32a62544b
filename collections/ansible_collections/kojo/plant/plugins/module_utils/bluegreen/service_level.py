# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""What Prometheus says of a service level: one instant query, bounded in time and size. Its silence is no verdict."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

SECONDS = 3.0
MOST_BYTES = 64 * 1024
QUERY = 'slo:error:ratio{slo="latency"} / on (slo) slo:budget:ratio'
BURN = 14.4  # the rate that the plant's rules page at: two per cent of a month's budget in an hour


@dataclass(frozen=True)
class ServiceLevel:
    """At URL, as USER. QUERY tells how many times too fast the error budget burns; beyond BURN the level is broken."""

    url: str
    user: str = ""
    password: str = ""
    query: str = QUERY
    burn: float = BURN

    async def ask(self, context: ssl.SSLContext) -> tuple[bool, str]:
        """Whether the level is broken, and what was said."""
        try:
            async with asyncio.timeout(SECONDS):
                answer = json.loads(await self._get(context))
            rates = [float(series["value"][1]) for series in answer["data"]["result"]]
        except (OSError, EOFError, ValueError, LookupError, TypeError, asyncio.LimitOverrunError) as error:
            return False, f"{self.url} cannot be asked: {error or type(error).__name__}"
        if not rates:
            return False, f"{self.url} knows nothing of it"
        return max(rates) > self.burn, f"the error budget burns {max(rates):.1f} times too fast"

    async def _get(self, context: ssl.SSLContext) -> bytes:
        parts = urlsplit(self.url)
        tls = context if parts.scheme == "https" else None
        reader, writer = await asyncio.open_connection(
            parts.hostname, parts.port or (443 if tls else 80), ssl=tls, limit=MOST_BYTES
        )
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        try:
            # HTTP 1.0: the answer ends with the connection, and comes in one piece
            request = f"GET {parts.path.rstrip('/')}/api/v1/query?query={quote(self.query)} HTTP/1.0"
            lines = [
                request,
                f"Host: {parts.netloc}",
                *([f"Authorization: Basic {login}"] if self.user else []),
                "",
                "",
            ]
            writer.write("\r\n".join(lines).encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii", "replace")
            status = head.partition("\r\n")[0]
            if " 200 " not in f"{status} ":
                raise ValueError(status)
            body = b""
            while part := await reader.read(MOST_BYTES):
                body += part
                if len(body) > MOST_BYTES:
                    raise ValueError("the answer has no end")
            return body
        finally:
            writer.close()
