# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Whether an instant lies inside one of a plant's production windows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def inside(windows: Iterable[Mapping[str, Any]], timezone: str, instant: datetime) -> Mapping[str, Any] | None:
    """The first of WINDOWS (`plant_production_windows`, sound) that INSTANT is in; None when it is in none.

    INSTANT is aware; TIMEZONE is a name of the tz database. A window holds from its start until just before its end;
    an end at or before the start is on the next day.
    """
    zone = ZoneInfo(timezone)
    today = instant.astimezone(zone).date()
    for window in windows:
        for day in (today - timedelta(days=1), today):
            if day.isoweekday() in window["weekdays"]:
                ends_on = day + timedelta(days=window["ends"] <= window["starts"])
                starts, ends = _instants(day, window["starts"], zone), _instants(ends_on, window["ends"], zone)
                if min(starts) <= instant < max(ends):
                    return window
    return None


def told(window: Mapping[str, Any], timezone: str) -> str:
    """For people, such as "Mon Tue 06:00 to 14:00 (Asia/Tokyo)"."""
    days = " ".join(DAYS[number - 1] for number in sorted(window["weekdays"]))
    return f"{days} {window['starts']} to {window['ends']} ({timezone})"


def _instants(day: date, clock: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the clock shows that: where it is put back it does so twice, where it is put on it may be either side."""
    shown = datetime.combine(day, time.fromisoformat(clock), zone)
    # in UTC, because times of one zone are compared by what the clock shows
    return shown.replace(fold=0).astimezone(UTC), shown.replace(fold=1).astimezone(UTC)
