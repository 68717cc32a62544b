"""What a route costs before its own work begins."""

from __future__ import annotations

from inspect import isasyncgenfunction, iscoroutinefunction

from walk import calls, routes

from kojo_mes.api import create_app
from kojo_mes.kit.settings import ApiSettings


def is_asynchronous(call: object) -> bool:
    return any(iscoroutinefunction(part) or isasyncgenfunction(part) for part in (call, type(call).__call__))


def test_no_route_waits_for_a_thread(settings: ApiSettings) -> None:
    """FastAPI hands each synchronous function to a pool of threads: two switches a dependency, on a busy host."""
    threaded = {
        (name, getattr(call, "__qualname__", call))
        for name, route in routes(create_app(settings))
        for call in calls(route)
        if call is not None and not is_asynchronous(call)
    }
    assert threaded == set()
