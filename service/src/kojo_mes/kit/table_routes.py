"""Every list is a table as well: a router with `route_class=TableRoute` answers its lists as CSV to who asks for it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import URL

from kojo_mes.kit.tables import CONTENT, AsCsv, columns_of, table

Endpoint = Callable[..., Awaitable[Any]]
PARAMETER = "table_wanted_at"


async def _wanted_at(request: Request, as_csv: AsCsv) -> URL | None:
    """The address of a request that wants a table."""
    return request.url if as_csv else None


class TableRoute(APIRoute):
    """Of a GET whose answer is a model with `items`, and `next` when it comes in pages: the CSV has the items' fields
    as columns, and the next page in the header `Link` (RFC 8288). One that makes a table of its own (`AsCsv`) does so
    still."""

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        item = _item(endpoint, options)
        if item is not None:
            name = [part for part in path.split("/") if part and not part.startswith("{")][-1]
            endpoint = _also_table(endpoint, name, columns_of(item))
            options["responses"] = {200: {"content": CONTENT}, **(options.get("responses") or {})}
        super().__init__(path, endpoint, **options)


def _item(endpoint: Endpoint, options: dict[str, Any]) -> type[BaseModel] | None:
    """What the endpoint lists, when it lists something and makes no table of it by itself."""
    if "GET" not in (options.get("methods") or ()):
        return None
    hints = get_type_hints(endpoint, include_extras=True)
    answer = hints.pop("return", None)
    if AsCsv in hints.values() or not (isinstance(answer, type) and issubclass(answer, BaseModel)):
        return None
    items = answer.model_fields.get("items")
    if items is None or get_origin(items.annotation) is not list:
        return None
    (item,) = get_args(items.annotation)
    return item if isinstance(item, type) and issubclass(item, BaseModel) else None


def _also_table(endpoint: Endpoint, name: str, columns: dict[str, str]) -> Endpoint:
    @wraps(endpoint)
    async def either(**given: Any) -> Any:
        address: URL | None = given.pop(PARAMETER)
        answer = await endpoint(**given)
        if address is None or isinstance(answer, Response):
            return answer
        cursor = getattr(answer, "next", None)
        following = address.include_query_params(cursor=cursor) if cursor is not None else None
        return table(name, columns, answer.items, following)

    signature = inspect.signature(endpoint)
    wanted = inspect.Parameter(
        PARAMETER, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[URL | None, Depends(_wanted_at)]
    )
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in signature.parameters.values()]
    either.__signature__ = signature.replace(parameters=[*own, wanted])  # type: ignore[attr-defined]
    return either
