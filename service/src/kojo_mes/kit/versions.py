"""Optimistic concurrency by version: ETag on what is read, If-Match on what is changed (RFC 9110 clause 13.1.1)."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, Response

from kojo_mes.kit.problems import Fault, Problem, invalid

ETAG = r'^"[0-9]{1,9}"$'


async def _version(
    given: Annotated[
        str | None, Header(alias="If-Match", description="the ETag of the version that is changed", examples=['"7"'])
    ] = None,
) -> int:
    if given is None:
        raise Problem(
            HTTPStatus.PRECONDITION_REQUIRED,
            "version-needed",
            "Say which version you change",
            'Send the ETag of the record as you read it: `If-Match: "7"`.',
        )
    if not re.fullmatch(ETAG, given):
        raise invalid([Fault(place="header", field="If-Match", detail='is not an ETag of this API, like "7"')])
    return int(given.strip('"'))


IfMatch = Annotated[int, Depends(_version)]


def require(version: int, given: int) -> None:
    """Ask it of the row that is locked for the change, not of one that was read before."""
    if version != given:
        raise Problem(
            HTTPStatus.PRECONDITION_FAILED,
            "version-changed",
            f"The record has version {version}, not {given}",
            "Somebody changed it since. Read it again, and decide anew.",
        )


def etag(response: Response, version: int) -> None:
    response.headers["ETag"] = f'"{version}"'
