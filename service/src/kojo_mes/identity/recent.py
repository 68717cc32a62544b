"""What was looked up in this second isn't looked up again: a busy sender costs a query a second, not one a request."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")
MOST = 10_000


class Recent(Generic[T]):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._known: dict[object, tuple[float, T]] = {}

    async def get(self, key: object, look_up: Callable[[], Awaitable[T]]) -> T:
        """As it was at most `seconds` ago: so long a revocation takes to be seen."""
        now = time.monotonic()
        if (found := self._known.get(key)) and found[0] > now:
            return found[1]
        value = await look_up()
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[key] = (now + self._seconds, value)
        return value
