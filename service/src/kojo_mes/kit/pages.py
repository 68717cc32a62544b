"""Keyset pages: each continues after the last row of the one before, so rows that come meanwhile shift nothing."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from kojo_mes.kit.fields import Time
from kojo_mes.kit.problems import Fault, invalid

T = TypeVar("T")
Row = TypeVar("Row")
Limit = Annotated[int, Query(ge=1, le=1000, description="items a page")]
DEFAULT_LIMIT = 100


Next = Annotated[
    str | None,
    Field(
        description="there is more: ask again with `cursor` set to this, and all else the same",
        examples=["WyIwMTkwYTZmMi01ZDFjLTdjYzEiXQ"],
    ),
]


class Page(BaseModel, Generic[T]):
    items: list[T]
    next: Next = None


def encode(*keys: object) -> str:
    """The cursor after a row with these keys: what the rows are ordered by, ending in something unique."""
    values = [key.isoformat() if isinstance(key, datetime) else key for key in keys]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def cursor_of(*types: type) -> Callable[..., Any]:
    """Dependency: the keys of the last row seen, a tuple of these types, or None for the first page."""
    wanted = tuple(_STORABLE.get(kind, kind) for kind in types)
    keys: TypeAdapter[tuple[Any, ...]] = TypeAdapter(tuple[wanted])  # type: ignore[valid-type]

    async def cursor(
        given: Annotated[
            str | None, Query(alias="cursor", max_length=1000, description="`next` of the page before")
        ] = None,
    ) -> tuple[Any, ...] | None:
        if given is None:
            return None
        try:
            return keys.validate_json(base64.b64decode(given + "=" * (-len(given) % 4), b"-_", validate=True))
        except (ValidationError, binascii.Error, ValueError):
            raise invalid([Fault(place="query", field="cursor", detail="is not `next` of a page")]) from None

    return cursor


# what PostgreSQL has: text without NUL, bigint, and times that aren't before Christ
_STORABLE: dict[type, Any] = {
    str: Annotated[str, Field(pattern=r"^[^\x00]*$")],
    int: Annotated[int, Field(ge=-(2**63), lt=2**63)],
    datetime: Time,
}


async def _single(keys: Annotated[tuple[str] | None, Depends(cursor_of(str))]) -> str | None:
    return keys[0] if keys else None


Cursor = Annotated[str | None, Depends(_single)]  # for rows in the order of their id


def page_of(
    rows: Sequence[Row], limit: int, item: Callable[[Row], T], keys: Callable[[Row], tuple[object, ...]]
) -> Page[T]:
    """A page out of the `limit + 1` rows that were asked for: one more than is shown tells that there is more."""
    shown = rows[:limit]
    return Page(items=[item(row) for row in shown], next=encode(*keys(shown[-1])) if len(rows) > limit else None)
