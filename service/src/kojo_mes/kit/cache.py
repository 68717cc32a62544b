"""Redis through Sentinel, for answers that may be computed again and notes that may be lost. Down means slower, never
wrong."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import redis.asyncio as redis
from pydantic import SecretStr
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError

from kojo_mes.kit.logging import get
from kojo_mes.kit.metrics import REDIS_UP
from kojo_mes.kit.settings import RedisSettings

log = get(__name__)
PREFIX = "kojo-mes:"
TIMEOUT = 0.3
REST_AFTER_FAILURE = 5.0
SILENCE = 2.0  # after which a subscription's master is asked whether it is there


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

    async def publish(self, channel: str, message: bytes) -> None:
        """To whoever has subscribed at this moment, in any process."""
        if time.monotonic() < self._resting_until:
            return
        try:
            await self._redis.publish(PREFIX + channel, message)
        except (RedisError, OSError) as error:
            self._failed(error)

    @contextlib.asynccontextmanager
    async def subscription(self, channel: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The channel's messages from now on. Raises RedisError or OSError when there is no master, or no more."""
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(PREFIX + channel)
            async with contextlib.aclosing(_messages(pubsub)) as messages:
                yield messages

    async def count(self, key: str, milliseconds: int) -> int | None:
        """How often the key was counted, by any process, until it rested for so long; None without Redis."""
        if time.monotonic() < self._resting_until:
            return None
        try:
            async with self._redis.pipeline(transaction=False) as together:
                together.incr(PREFIX + key)
                together.pexpire(PREFIX + key, milliseconds)
                counted, _ = await together.execute()
        except (RedisError, OSError) as error:
            self._failed(error)
            return None
        return int(counted)

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


async def _messages(pubsub: PubSub) -> AsyncGenerator[bytes]:
    """A master that is gone without a word would look like one that has nothing to say: it is pinged."""
    asked = False
    while True:
        answer = await pubsub.get_message(timeout=SILENCE)
        if answer is not None:
            asked = False
            if answer["type"] == "message":
                yield answer["data"]
        elif asked:
            raise NoConnection("the subscription's master does not answer")
        else:
            await pubsub.ping()
            asked = True


def _login(username: str | None, password: SecretStr | None) -> dict[str, Any]:
    return {"username": username, "password": password.get_secret_value() if password else None}
