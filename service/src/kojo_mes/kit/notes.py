"""Notes that something was written: this process hears its own at once, the others hear them through Redis.

A note says only that it is worth looking into the database. It may come late, twice or never; whoever waits for notes
looks now and then without one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from redis.exceptions import RedisError

from kojo_mes.kit.cache import Cache
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.logging import get

log = get(__name__)
CHANNEL = "written"
PAUSE = 0.1  # between two notes of a process: however much it writes, the others hear ten a second
RETRY = 1.0


class Notes:
    def __init__(self, cache: Cache, hear: Callable[[], None]) -> None:
        """`hear` is called after a write, wherever it was."""
        self._cache = cache
        self._hear = hear
        self._name = new_id().encode()
        self._unsent = asyncio.Event()
        self.connected = False  # are the notes of other processes heard?

    def written(self) -> None:
        """After COMMIT. Costs the writer nothing: Redis is not waited for."""
        self._unsent.set()
        self._hear()

    async def send(self) -> None:
        while True:
            await self._unsent.wait()
            self._unsent.clear()
            await self._cache.publish(CHANNEL, self._name)
            await asyncio.sleep(PAUSE)

    async def receive(self) -> None:
        told = False
        while True:
            try:
                async with self._cache.subscription(CHANNEL) as messages:
                    self.connected, told = True, False
                    self._hear()  # what was written before
                    async for name in messages:
                        if name != self._name:
                            self._hear()
            except (RedisError, OSError) as error:
                if not told:  # an outage is one line, however long it lasts
                    log.warning("notes_not_heard", reason=str(error))
                told = True
            finally:
                self.connected = False
                self._hear()  # who waits for notes is to look by itself from now on
            await asyncio.sleep(RETRY)
