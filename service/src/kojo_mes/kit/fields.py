"""Types of fields that the schemas of several domains share."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

FIRST_YEAR, LAST_YEAR = 1970, 2200
LARGEST_REAL = 1e18  # of a measurement, whatever its unit
WRITTEN_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}[T ]")

# a line of text that says something; PostgreSQL has no NUL, a table's cell no line feed
Words = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$")
]
# paragraphs: a reason, a finding
Text = Annotated[
    str,
    Field(
        min_length=1,
        max_length=10_000,
        pattern=r"^[^\x00]*\S[^\x00]*$",
        examples=["The seal was worn; it was replaced, and 20 parts were checked"],
    ),
]
# what a plant names on its page: lines, products; and what it names itself: gauges, characteristics, charts
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,99}$")]
MaterialId = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="the plant's own number of it; unique for ever, never used again",
    ),
]


def _written_day(day: object) -> object:
    """Not a number of seconds since 1970, which pydantic would take for a day."""
    if (isinstance(day, str) and not WRITTEN_DAY.fullmatch(day)) or not isinstance(day, str | date):
        raise ValueError("is not a date, like 2026-01-05")
    return day


def _within_years(day: date) -> date:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"is not between the years {FIRST_YEAR} and {LAST_YEAR}")
    return day


Day = Annotated[date, BeforeValidator(_written_day), AfterValidator(_within_years), Field(examples=["2026-01-05"])]
# only a number is one, not its text, and true and false are no numbers
Whole = Annotated[int, Field(strict=True)]
Real = Annotated[float, Field(strict=True, ge=-LARGEST_REAL, le=LARGEST_REAL, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]


def _written(time: object) -> object:
    """Not a number of seconds since 1970, which pydantic would take for a time."""
    if (isinstance(time, str) and not WRITTEN.match(time)) or not isinstance(time, str | datetime):
        raise ValueError("is not a date and time with its offset from UTC (RFC 3339)")
    return time


def _in_utc(time: datetime) -> datetime:
    if not FIRST_YEAR <= time.year <= LAST_YEAR:
        raise ValueError(f"is not between the years {FIRST_YEAR} and {LAST_YEAR}")
    return time.astimezone(UTC)


Time = Annotated[
    AwareDatetime,
    BeforeValidator(_written),
    AfterValidator(_in_utc),
    Field(examples=["2026-01-05T08:30:00+09:00"]),
]
