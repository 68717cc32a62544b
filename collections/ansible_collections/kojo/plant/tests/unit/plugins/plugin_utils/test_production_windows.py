"""Instants on each side of a window's edges, over midnight, and where the clock is put on and back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils.production_windows import inside, told

DAY = {"weekdays": [1, 2, 3, 4, 5], "starts": "06:00", "ends": "14:00"}
NIGHT = {"weekdays": [5], "starts": "22:00", "ends": "06:00"}
ROUND = {"weekdays": [7], "starts": "08:00", "ends": "08:00"}
EARLY = {"weekdays": [7], "starts": "02:15", "ends": "02:45"}
TOKYO, BERLIN = "Asia/Tokyo", "Europe/Berlin"


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        # 2026-12-04 is a Friday
        ("2026-12-04T05:59:59+09:00", None),
        ("2026-12-04T06:00:00+09:00", DAY),
        ("2026-12-04T13:59:59+09:00", DAY),
        ("2026-12-04T14:00:00+09:00", None),
        # the same instants elsewhere: the plant's clock counts
        ("2026-12-03T21:00:00+00:00", DAY),
        ("2026-12-04T05:00:00+00:00", None),
        # over midnight, into the Saturday
        ("2026-12-04T21:59:59+09:00", None),
        ("2026-12-04T22:00:00+09:00", NIGHT),
        ("2026-12-05T00:00:00+09:00", NIGHT),
        ("2026-12-05T05:59:59+09:00", NIGHT),
        ("2026-12-05T06:00:00+09:00", None),
        ("2026-12-05T22:30:00+09:00", None),
        # a day long, Sunday to Monday
        ("2026-12-06T07:59:59+09:00", None),
        ("2026-12-06T08:00:00+09:00", ROUND),
        ("2026-12-07T05:59:59+09:00", ROUND),
        ("2026-12-07T07:59:59+09:00", DAY),
        ("2026-12-06T23:59:59+09:00", ROUND),
    ],
)
def test_an_instant_is_in_its_window(instant: str, expected: dict[str, Any] | None) -> None:
    assert inside([DAY, NIGHT, ROUND], TOKYO, datetime.fromisoformat(instant)) == expected


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        # 2026-03-29: the clock goes from 02:00 (+01:00) to 03:00 (+02:00), so 02:15 to 02:45 is never shown
        ("2026-03-29T00:14:59+00:00", None),
        ("2026-03-29T00:15:00+00:00", EARLY),
        ("2026-03-29T01:44:59+00:00", EARLY),
        ("2026-03-29T01:45:00+00:00", None),
        # 2026-10-25: from 03:00 (+02:00) back to 02:00 (+01:00), so it is shown twice
        ("2026-10-25T00:14:59+00:00", None),
        ("2026-10-25T00:15:00+00:00", EARLY),
        ("2026-10-25T01:44:59+00:00", EARLY),
        ("2026-10-25T01:45:00+00:00", None),
        # an ordinary Sunday
        ("2026-11-01T01:15:00+00:00", EARLY),
        ("2026-11-01T00:15:00+00:00", None),
    ],
)
def test_where_the_clock_jumps_the_window_is_the_widest(instant: str, expected: dict[str, Any] | None) -> None:
    assert inside([EARLY], BERLIN, datetime.fromisoformat(instant)) == expected


def test_a_window_over_a_jump_ends_by_the_clock() -> None:
    """Saturday 22:00 to Sunday 06:00, seven hours long in spring and nine in autumn."""
    night = [{"weekdays": [6], "starts": "22:00", "ends": "06:00"}]
    for ends in ("2026-03-29T04:00:00+00:00", "2026-10-25T05:00:00+00:00"):
        end = datetime.fromisoformat(ends)
        assert inside(night, BERLIN, end.replace(hour=end.hour - 1, minute=59)) is not None
        assert inside(night, BERLIN, end) is None


def test_no_windows_no_hindrance() -> None:
    assert inside([], TOKYO, datetime.fromisoformat("2026-12-04T06:00:00+09:00")) is None


def test_people_read_which() -> None:
    assert told(DAY, TOKYO) == "Mon Tue Wed Thu Fri 06:00 to 14:00 (Asia/Tokyo)"
