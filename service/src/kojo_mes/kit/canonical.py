"""One byte string for one value: JSON by RFC 8785 (JCS), what every hash and signature of a record is made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import rfc8785
from pydantic import BaseModel

LARGEST_INTEGER = 2**53 - 1  # beyond it a JSON number isn't exact (RFC 8785, 3.2.2.3): it goes as text


def canonical(value: object) -> bytes:
    """RFC 8785 of `plain(value)`."""
    return rfc8785.dumps(plain(value))


def digest(value: object) -> bytes:
    """SHA-256 of the canonical form."""
    return hashlib.sha256(canonical(value)).digest()


def plain(value: object) -> Any:
    """As JSON knows it: times ISO 8601 in UTC with microseconds, Decimals and large integers as text, bytes in hex.

    TypeError for what has no such form, ValueError for a time without its offset from UTC and for NaN.
    """
    match value:
        case None | bool():
            return value
        case Enum():
            return plain(value.value)
        case str():
            return _storable(value)
        case int():
            return value if -LARGEST_INTEGER <= value <= LARGEST_INTEGER else str(value)
        case float():
            if value - value != 0:
                raise ValueError(f"{value} has no place in a record")
            return value
        case Decimal() | UUID():
            return str(value)
        case datetime():
            return iso(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.hex()
        case BaseModel():
            return plain(value.model_dump())
        case Mapping():
            return {_storable(str(plain(name))): plain(item) for name, item in value.items()}
        case set() | frozenset():
            return sorted((plain(item) for item in value), key=rfc8785.dumps)
        case Sequence():
            return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def iso(moment: datetime) -> str:
    """2026-01-05T08:30:00.250000Z: always UTC, always six digits, so that text sorts as time does."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no offset from UTC")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str | bytes) -> Any:
    """JSON as PostgreSQL's jsonb gives it, made fit for `canonical`: numbers that a double can't hold become text."""
    return json.loads(text, parse_int=_exact_integer, parse_float=_finite)


def _exact_integer(text: str) -> int | str:
    number = int(text)
    return number if -LARGEST_INTEGER <= number <= LARGEST_INTEGER else text


def _finite(text: str) -> float | str:
    number = float(text)
    return text if number - number != 0 else number


def _storable(text: str) -> str:
    """PostgreSQL's text holds neither NUL nor half a surrogate pair; a record never fails for them."""
    if "\0" in text:
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
