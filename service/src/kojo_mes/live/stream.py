"""A listener's stream, from its first byte to its end."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from kojo_mes.live.follower import Follower
from kojo_mes.live.hub import Hub

HEARTBEAT = 15.0  # well within the timeouts of what is in between (roles/haproxy)
CHECK = 10.0  # so long a revocation takes to end a stream
RETRY, RETRY_ELSEWHERE = 2000, 200  # milliseconds, and up to as many more: not all come back at once


async def stream(hub: Hub, follower: Follower, permitted: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
    """Ends when the listener may no more, and when the process is about to end."""
    yield _retry(RETRY)
    check_at, beat_at = time.monotonic() + CHECK, time.monotonic() + HEARTBEAT
    while not hub.leaving:
        if time.monotonic() >= check_at:
            if not await permitted():
                return
            check_at = time.monotonic() + CHECK
        if chunk := follower.news():
            yield chunk
        elif time.monotonic() >= beat_at:
            yield KEEPALIVE_COMMENT
        else:
            await hub.change(min(check_at, beat_at) - time.monotonic())
            continue
        beat_at = time.monotonic() + HEARTBEAT
    yield _retry(RETRY_ELSEWHERE)


def _retry(milliseconds: int) -> bytes:
    """How long the client waits before it comes back."""
    return format_sse_event(retry=milliseconds + secrets.randbelow(milliseconds))
