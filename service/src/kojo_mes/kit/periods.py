"""A time that is asked for: from and to, bounded so that no question reads the plant's whole life."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends, Query

from kojo_mes.kit.fields import Time
from kojo_mes.kit.problems import Fault, invalid

LONGEST = timedelta(days=100)


@dataclass(frozen=True)
class Bounds:
    """From `start` on, up to before `end`."""

    start: datetime
    end: datetime


def checked(start: datetime, end: datetime, place: str) -> Bounds:
    """422 unless `to` is later than `from`, by 100 days at most."""
    if not timedelta(0) < end - start <= LONGEST:
        detail = f"is to be later than `from`, by {LONGEST.days} days at most"
        raise invalid([Fault(place=place, field="to", detail=detail)])
    return Bounds(start, end)


async def _period(
    start: Annotated[Time, Query(alias="from", examples=["2026-01-05T06:00:00+09:00"])],
    end: Annotated[Time, Query(alias="to", examples=["2026-01-05T14:00:00+09:00"], description="up to before it")],
) -> Bounds:
    return checked(start, end, "query")


Period = Annotated[Bounds, Depends(_period)]
