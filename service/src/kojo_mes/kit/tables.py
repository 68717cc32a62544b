"""Tables that people take away, as CSV (RFC 4180): what a spreadsheet would run as a formula stays text."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Response
from pydantic import BaseModel
from starlette.datastructures import URL

MEDIA_TYPE = "text/csv"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
CONTENT: dict[str, Any] = {MEDIA_TYPE: {"schema": {"type": "string"}}}  # for OpenAPI: `responses={200: {"content": …}}`


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"


async def _as_csv(
    wanted: Annotated[Format | None, Query(alias="format", description="goes before `Accept: text/csv`")] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",  # OpenAPI has it by the answers' media types
) -> bool:
    return wanted is Format.CSV or (wanted is None and MEDIA_TYPE in accept)


AsCsv = Annotated[bool, Depends(_as_csv)]


def columns_of(model: type[BaseModel]) -> dict[str, str]:
    """All fields, and for headings the names that they have in JSON."""
    named = {name: field.serialization_alias or name for name, field in model.model_fields.items()}
    return named | {name: name for name in model.model_computed_fields}


def table(
    name: str, columns: Sequence[str] | Mapping[str, str], rows: Iterable[BaseModel], following: URL | None = None
) -> Response:
    """A download. UTF-8 with its mark: a spreadsheet that doesn't see it shows Japanese as something else. What isn't
    one value is JSON. `columns`: fields of the rows, at choice with their headings. `following`: where the next page
    is, for the header `Link` (RFC 8288)."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns.values() if isinstance(columns, Mapping) else columns)
    for row in rows:
        values = row.model_dump(mode="json", include=set(columns))
        writer.writerow([defused(values[column]) for column in columns])
    return Response(
        text.getvalue().encode("utf-8-sig"),
        media_type=f"{MEDIA_TYPE}; charset=utf-8; header=present",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'}
        | ({"Link": f'<{following}>; rel="next"'} if following else {}),
    )


def defused(value: object) -> object:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(FORMULA) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return value
