"""A fault for one colour, put in front of its own code as `sitecustomize`: every fifth request is answered with 500.
What balancers ask to know whether it lives (they call the host by its colour's name) is answered as ever: such a fault
is for the watch to find."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

CHECKS = (b"blue", b"green")
App = Callable[..., Awaitable[None]]

server: Any = importlib.import_module("kojo_mes.kit.server")
sound: Callable[..., Any] = server.configuration


def spoiled(app: App) -> App:
    """Return the application with the fault."""
    numbers = itertools.count(1)

    async def answer(scope: dict[str, Any], receive: App, send: App) -> None:
        if scope["type"] == "http" and dict(scope["headers"]).get(b"host") not in CHECKS and next(numbers) % 5 == 0:
            await send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body"})
        else:
            await app(scope, receive, send)

    return answer


def configuration(app: App, *arguments: Any) -> Any:
    return sound(spoiled(app), *arguments)


server.configuration = configuration
