"""Too many requests of one client: 429, and when to come again (RFC 6585 clause 4).

Both hosts of the API count together, in Redis; without it each counts for itself. The library `limits` would do this
with scripts, which the application's Redis user may not run (roles/redis: users.acl.j2)."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from math import ceil

from fastapi import Request

from kojo_mes.kit.cache import Cache
from kojo_mes.kit.metrics import REQUESTS_THROTTLED
from kojo_mes.kit.problems import Problem
from kojo_mes.kit.settings import RateSettings

MOST = 100_000  # clients that are counted without Redis; more in one period are a flood, and begin anew


class Throttle:
    """Counts by client, in periods that begin at the same moments on all hosts."""

    def __init__(self, settings: RateSettings, now: Callable[[], float] = time.time) -> None:
        self._period = settings.request_period
        self._limits = {"known": settings.request_limit, "unknown": settings.request_limit_unknown}
        self._now = now
        self._own: dict[str, int] = {}
        self._own_period = 0

    async def known(self, request: Request, actor_id: str) -> None:
        """Raises a 429 problem when this person, device or key has asked too often."""
        await self._count(request.app.state.cache, "known", actor_id)

    async def unknown(self, request: Request) -> None:
        """For requests without a valid credential, and for logins: by address."""
        await self._count(request.app.state.cache, "unknown", request.client.host if request.client else "")

    async def _count(self, cache: Cache, kind: str, client: str) -> None:
        now = self._now()
        period = int(now // self._period)
        key = f"requests:{kind}:{client}:{period}"
        counted = await cache.count(key, ceil(self._period * 2000))
        if counted is None:
            counted = self._count_alone(key, period)
        limit = self._limits[kind]
        if counted > limit:
            REQUESTS_THROTTLED.labels(kind).inc()
            raise _too_many(limit, self._period, ceil((period + 1) * self._period - now))

    def _count_alone(self, key: str, period: int) -> int:
        if period != self._own_period or len(self._own) >= MOST:
            self._own, self._own_period = {}, period
        self._own[key] = self._own.get(key, 0) + 1
        return self._own[key]


async def by_address(request: Request) -> None:
    """Dependency, for routes that ask for no credential."""
    throttle: Throttle = request.app.state.throttle
    await throttle.unknown(request)


def _too_many(limit: int, period: float, wait: int) -> Problem:
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too-many-requests",
        f"At most {limit} requests in {period:g} s",
        "Send the same request again later, with the same Idempotency-Key; larger batches need fewer requests.",
        headers={"Retry-After": str(max(1, wait))},
    )
