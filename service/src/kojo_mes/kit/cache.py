"""Redis through Sentinel, for answers that may be computed again. Down means slower, never wrong."""

from __future__ import annotations

import ssl
import time
from typing import Any

import redis.asyncio as redis
from pydantic import SecretStr
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from kojo_mes.kit.logging import get
from kojo_mes.kit.metrics import REDIS_UP
from kojo_mes.kit.settings import RedisSettings

log = get(__name__)
PREFIX = "kojo-mes:"
TIMEOUT = 0.3
REST_AFTER_FAILURE = 5.0


class Cache:
    def __init__(self, settings: RedisSettings) -> None:
        connection: dict[str, Any] = {
            "socket_timeout": TIMEOUT,
            "socket_connect_timeout": TIMEOUT,
            "retry": Retry(NoBackoff(), 0),  # the database is the retry
        }
        if settings.tls_ca:
            connection |= {
                "ssl": True,
                "ssl_ca_certs": str(settings.tls_ca),
                "ssl_certfile": str(settings.tls_certificate),
                "ssl_keyfile": str(settings.tls_key),
                "ssl_check_hostname": True,
                "ssl_min_version": ssl.TLSVersion.TLSv1_3,
            }
        sentinel_login = _login(settings.sentinel_username, settings.sentinel_password)
        self._sentinel = Sentinel(  # type: ignore[no-untyped-call]
            settings.redis_sentinels, sentinel_kwargs={**connection, **sentinel_login}
        )
        self._redis: redis.Redis = self._sentinel.master_for(
            settings.redis_master_name,
            **connection,
            **_login(settings.redis_username, settings.redis_password),
        )
        self._resting_until = 0.0

    async def get(self, key: str) -> bytes | None:
        if time.monotonic() < self._resting_until:
            return None
        try:
            value: bytes | None = await self._redis.get(PREFIX + key)
        except (RedisError, OSError) as error:
            self._failed(error)
            return None
        REDIS_UP.set(1)
        return value

    async def put(self, key: str, value: bytes, milliseconds: int) -> None:
        if time.monotonic() < self._resting_until:
            return
        try:
            await self._redis.set(PREFIX + key, value, px=milliseconds)
        except (RedisError, OSError) as error:
            self._failed(error)

    async def ping(self) -> None:
        """Raises RedisError or OSError when there is no master that answers."""
        try:
            await self._redis.set(PREFIX + "ping", b"1", px=1000)
        except (RedisError, OSError):
            REDIS_UP.set(0)
            raise
        REDIS_UP.set(1)

    async def close(self) -> None:
        await self._redis.aclose()
        for sentinel in self._sentinel.sentinels:
            await sentinel.aclose()

    def _failed(self, error: Exception) -> None:
        """Callers don't wait for a dead Redis at every request."""
        REDIS_UP.set(0)
        self._resting_until = time.monotonic() + REST_AFTER_FAILURE
        log.warning("redis_unavailable", reason=str(error))


def _login(username: str | None, password: SecretStr | None) -> dict[str, Any]:
    return {"username": username, "password": password.get_secret_value() if password else None}
