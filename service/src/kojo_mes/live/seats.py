"""How many may listen: so many a process, and so many of them one and the same."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus

from prometheus_client import Gauge

from kojo_mes.kit.logging import get
from kojo_mes.kit.problems import Problem

log = get(__name__)
STREAMS = Gauge("kojo_mes_live_streams", "Streams of live events that this process serves")
RETRY_AFTER = {"Retry-After": "5"}


class Seats:
    def __init__(self, total: int, each: int) -> None:
        self._total = total
        self._each = each
        self._of: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        return self._of.total()

    @contextlib.contextmanager
    def taken_by(self, actor_id: str) -> Iterator[None]:
        """429 when this one has all of theirs; 503 when the process has no more."""
        if self._of[actor_id] >= self._each:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too-many-streams",
                f"You have {self._each} streams of live events already",
                "Close one of them, or ask for several lines in one.",
                headers=RETRY_AFTER,
            )
        if self.taken >= self._total:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "too-many-streams",
                "The process serves as many streams of live events as it may",
                "Ask again; another process may have room.",
                headers=RETRY_AFTER,
            )
        began = time.monotonic()
        self._of[actor_id] += 1
        STREAMS.inc()
        try:
            yield
        finally:
            STREAMS.dec()
            self._of[actor_id] -= 1
            if not self._of[actor_id]:
                del self._of[actor_id]
            log.info("live_stream_ended", seconds=round(time.monotonic() - began, 1))
