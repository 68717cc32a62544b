"""Tables that people take away, as CSV (RFC 4180): what a spreadsheet would run as a formula stays text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Response
from pydantic import BaseModel

MEDIA_TYPE = "text/csv"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
CONTENT: dict[str, Any] = {MEDIA_TYPE: {"schema": {"type": "string"}}}  # for OpenAPI: `responses={200: {"content": …}}`


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"


def _as_csv(
    wanted: Annotated[Format | None, Query(alias="format", description="goes before `Accept: text/csv`")] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",  # OpenAPI has it by the answers' media types
) -> bool:
    return wanted is Format.CSV or (wanted is None and MEDIA_TYPE in accept)


AsCsv = Annotated[bool, Depends(_as_csv)]


def table(name: str, columns: Sequence[str], rows: Iterable[BaseModel]) -> Response:
    """A download. UTF-8 with its mark: a spreadsheet that doesn't see it shows Japanese as something else."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        values = row.model_dump(mode="json", include=set(columns))
        writer.writerow([defused(values[column]) for column in columns])
    return Response(
        text.getvalue().encode("utf-8-sig"),
        media_type=f"{MEDIA_TYPE}; charset=utf-8; header=present",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def defused(value: object) -> object:
    if isinstance(value, str) and value.startswith(FORMULA) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return value
