"""A walk over the API's routes: which there are, and what each asks for."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import FastAPI
from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from kojo_mes.kit.security import Permission


def routes(app: FastAPI) -> Iterator[tuple[str, RouteContext]]:
    """By method and path, like `GET /api/v1/lines`."""
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute):
            for method in sorted(route.methods or ()):
                yield f"{method} {route.path_format}", route


def others(app: FastAPI) -> list[str | None]:
    """Paths of what is no route of the API's own."""
    return [route.path for route in iter_route_contexts(app.routes) if not isinstance(route.original_route, APIRoute)]


def dependants(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for inner in dependant.dependencies:
        yield from dependants(inner)


def calls(route: RouteContext) -> Iterator[object]:
    """The route's function, and every dependency of it."""
    return (dependant.call for dependant in dependants(route.dependant))


def permissions(route: RouteContext) -> set[Permission]:
    return {call.permission for call in calls(route) if hasattr(call, "permission")}


def parameters(route: RouteContext, kind: str) -> dict[str, ModelField]:
    """Of a route and its dependencies, by the names that requests use. `kind`: "query", "header", ..."""
    return {
        field.alias: field
        for dependant in dependants(route.dependant)
        for field in getattr(dependant, f"{kind}_params")
    }


def fields_of(route: RouteContext) -> dict[str, object]:
    """Of what the route answers, when that is one model."""
    return dict(getattr(route.response_model, "model_fields", {}))
