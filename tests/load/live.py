"""A listener to the live events, as a browser's EventSource is one: it comes back, and says what it had last."""

from __future__ import annotations

import asyncio
import re
import threading
import time

import httpx

ID = re.compile(r"(?P<stream>[0-9a-f]{16})\.(?P<position>[0-9]+)")
HOLD = 20.0  # seconds that a connection is listened to, if nobody ends it before
SILENCE = 20.0  # the service sends something every 15 s


class Order:
    """Judges the events of one listener by their ids, `<stream>.<position>`. A stream is one process's."""

    def __init__(self) -> None:
        self.last = ""

    def take(self, event: str, identity: str) -> str:
        """Return what is missing or comes again at this event, or an empty string."""
        new, old = ID.fullmatch(identity), ID.fullmatch(self.last)
        if new is None:
            return f"event {event!r} has the id {identity!r}"
        before, self.last = self.last, identity
        if event == "snapshot":
            return ""
        if old is None or old["stream"] != new["stream"]:
            return f"{identity} after {before or 'nothing'}: another stream, and no snapshot"
        if int(new["position"]) <= int(old["position"]):
            return f"{identity} after {before}: it came before"
        return ""


class Listener:
    """One who listens to all lines, as the holder of an access TOKEN, until STOP: then it leaves at the next line."""

    def __init__(self, http: httpx.AsyncClient, token: str, stop: threading.Event) -> None:
        self.order = Order()
        self._http, self._token, self._stop = http, token, stop

    async def connect(self, seconds: float = HOLD) -> tuple[float, str]:
        """Listen on one connection; return the seconds until it was answered, and what was wrong. That somebody ends a
        stream is no fault, but it must have been answered well, and what comes next must go on from there."""
        headers = {"Authorization": f"Bearer {self._token}"}
        if self.order.last:
            headers["Last-Event-ID"] = self.order.last
        started, answered = time.monotonic(), 0.0
        try:
            async with self._http.stream("GET", "/api/v1/live", headers=headers) as answer:
                answered = time.monotonic() - started
                if not answer.is_success:
                    return answered, f"{answer.status_code} {(await answer.aread()).decode()[:200]}"
                async with asyncio.timeout(seconds):
                    return answered, await self._follow(answer)
        except TimeoutError:
            return answered, ""
        except httpx.ReadTimeout:
            return time.monotonic() - started, f"silent for {SILENCE:.0f} s"
        except httpx.TransportError as error:
            return (answered, "") if answered else (time.monotonic() - started, repr(error))

    async def _follow(self, answer: httpx.Response) -> str:
        """Return the first fault, or an empty string at the end."""
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            if self._stop.is_set():
                break
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            elif "data" in fields:
                if fault := self.order.take(fields.get("event", "message"), fields.get("id", "")):
                    return fault
                fields = {}
        return ""
