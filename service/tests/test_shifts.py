"""The shift calendar through the API; that shifts can't overlap, in the database itself."""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
import servers
from floor import Floor, Json, clock, floor, iso
from hypothesis import given
from hypothesis import strategies as st

from kojo_mes.shifts.calendar import Days, Pattern, occurrences

__all__ = ["floor"]
JANUARY: dict[str, Any] = {"from": "2026-01-01T00:00:00+09:00", "to": "2026-02-01T00:00:00+09:00"}


def pattern(name: str = "early", starts: str = "06:00", ends: str = "14:00", **more: object) -> Json:
    days = {"first_day": "2026-01-05", "last_day": "2026-01-18", "weekdays": [1, 2, 3, 4, 5]}
    return {"line": "line-1", "name": name, "starts": starts, "ends": ends, **days, **more}


async def shifts(floor: Floor) -> list[Json]:
    return list((await floor.get("/shifts", line="line-1", **JANUARY))["items"])


async def test_a_pattern_makes_shifts_by_the_plants_clock(floor: Floor) -> None:
    assert (await floor.done(floor.leader, "POST", "/shifts/patterns", pattern()))["shifts"] == 10
    night = pattern("night", "22:00", "06:00", weekdays=[7])
    assert (await floor.done(floor.leader, "POST", "/shifts/patterns", night))["shifts"] == 2
    found = await shifts(floor)
    assert [shift["name"] for shift in found].count("early") == 10
    assert (found[0]["starts_at"], found[0]["ends_at"]) == ("2026-01-04T21:00:00Z", "2026-01-05T05:00:00Z")
    assert found[5]["day"] == "2026-01-11"
    assert found[5]["ends_at"] == "2026-01-11T21:00:00Z", "06:00 of the next day"
    (planned,) = floor.audited("shifts:plan")[:1]
    assert planned[0] == floor.leader.id


async def test_shifts_are_taken_away_as_a_table(floor: Floor) -> None:
    await floor.shift("06:00", "14:00")
    answer = await floor.ask(floor.operator, "GET", "/shifts", line="line-1", format="csv", **JANUARY)
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["name"], row["day"]) for row in rows] == [("early", "2026-01-05")]


async def test_an_overlap_is_refused_whole(floor: Floor) -> None:
    await floor.shift("13:00", "15:00")
    problem = await floor.refused(409, floor.leader, "POST", "/shifts/patterns", pattern())
    assert problem["type"] == "urn:kojo:problem:shift-overlap"
    assert [row[:3] for row in floor.audited("denied")] == [(floor.leader.id, "line", "line-1")]
    assert len(await shifts(floor)) == 1
    assert (await floor.shift("15:00", "16:00"))["version"] == 1, "one may begin where another ends"
    await floor.shift("13:00", "15:00", line="line-2")


def test_the_database_takes_no_overlap_from_two_at_once(postgres: servers.Postgres, database: str) -> None:
    def insert(number: int) -> str:
        with postgres.connect(database, "kojo_app") as connection:
            try:
                connection.execute(
                    "INSERT INTO mes.shift (id, line_id, name, day, starts_at, ends_at, exception)"
                    " VALUES (%s, 'line-1', 'x', '2026-01-05', '2026-01-05T00:00Z'::timestamptz + %s * interval '1 h',"
                    " '2026-01-05T08:00Z', 'x')",
                    (str(number), number),
                )
            except psycopg.errors.ExclusionViolation:
                return "refused"
        return "stored"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(insert, range(8)))
    assert sorted(outcomes) == ["refused"] * 7 + ["stored"]


async def test_closed_days_have_no_shifts_whichever_comes_first(floor: Floor) -> None:
    await floor.done(floor.leader, "POST", "/shifts/patterns", pattern())
    closure = {"line": "line-1", "first_day": "2026-01-12", "last_day": "2026-01-13", "reason": "Coming of Age Day"}
    assert (await floor.done(floor.leader, "POST", "/shifts/closures", closure))["cancelled"] == 2
    late = pattern("late", "14:00", "22:00")
    assert (await floor.done(floor.leader, "POST", "/shifts/patterns", late))["shifts"] == 8
    cancelled = [shift for shift in await shifts(floor) if shift["cancelled"]]
    assert [(shift["day"], shift["exception"]) for shift in cancelled] == [
        ("2026-01-12", "Coming of Age Day"),
        ("2026-01-13", "Coming of Age Day"),
    ]
    await floor.refused(409, floor.leader, "POST", "/shifts/closures", closure)


async def test_an_exception_has_a_version_and_a_reason(floor: Floor) -> None:
    shift = await floor.shift("06:00", "14:00")
    await floor.shift("15:00", "22:00")
    path = f"/shifts/{shift['id']}"
    longer = {"starts_at": iso(clock("06:00")), "ends_at": iso(clock("15:00")), "exception": "late truck"}
    await floor.refused(428, floor.leader, "PUT", f"{path}/times", longer)
    moved = await floor.done(floor.leader, "PUT", f"{path}/times", longer, version=1)
    assert (moved["ends_at"], moved["exception"], moved["version"]) == ("2026-01-05T06:00:00Z", "late truck", 2)
    await floor.refused(412, floor.leader, "PUT", f"{path}/times", longer, version=1)
    over = longer | {"ends_at": iso(clock("16:00"))}
    problem = await floor.refused(409, floor.leader, "PUT", f"{path}/times", over, version=2)
    assert problem["type"] == "urn:kojo:problem:shift-overlap"
    await floor.refused(422, floor.leader, "PUT", f"{path}/times", longer | {"exception": " "}, version=2)
    cancelled = await floor.done(floor.leader, "POST", f"{path}/cancellation", {"exception": "flood"}, version=2)
    assert (cancelled["cancelled"], cancelled["version"]) == (True, 3)
    await floor.refused(409, floor.leader, "PUT", f"{path}/times", longer, version=3)
    assert [row[:3] for row in floor.audited("denied")] == [
        (floor.leader.id, "line", "line-1"),
        (floor.leader.id, "shift", shift["id"]),
    ]
    assert [(row[3], row[4]["version"], row[5]["version"]) for row in floor.audited("shifts:move")] == [
        ("late truck", 1, 2)
    ]
    assert (await floor.shift("06:00", "14:00"))["id"] != shift["id"], "a cancelled shift is in nobody's way"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"starts": "06:00:30"}, "starts"),
        ({"weekdays": [8]}, "weekdays"),
        ({"weekdays": []}, "weekdays"),
        ({"last_day": "2026-01-04"}, "body"),
        ({"last_day": "2028-01-05"}, "body"),
        ({"weekdays": [6], "last_day": "2026-01-06"}, "weekdays"),
        ({"name": ""}, "name"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_wrong_pattern_is_named(floor: Floor, wrong: Json, field: str) -> None:
    problem = await floor.refused(422, floor.leader, "POST", "/shifts/patterns", pattern() | wrong)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert await shifts(floor) == []


async def test_an_operator_plans_nothing(floor: Floor) -> None:
    await floor.refused(403, floor.operator, "POST", "/shifts/patterns", pattern())
    await floor.refused(404, floor.leader, "POST", "/shifts/patterns", pattern(line="line-9"))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 7), ("2026-10-24", 9), ("2026-06-01", 8)])
def test_a_night_shift_follows_the_wall_clock_over_summer_time(day: str, hours: int) -> None:
    only = date.fromisoformat(day)
    night = Pattern(frozenset(range(1, 8)), time(22), time(6), Days(only, only))
    (shift,) = occurrences(night, ZoneInfo("Europe/Berlin"))
    assert shift.ends_at - shift.starts_at == timedelta(hours=hours)


@given(
    st.sets(st.integers(1, 7), min_size=1),
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.integers(0, 60),
    st.integers(0, 40),
    st.integers(0, 20),
)
def test_a_pattern_is_its_open_days(weekdays: set[int], first: date, length: int, closed: int, days: int) -> None:
    closure = Days(first + timedelta(days=closed), first + timedelta(days=closed + days))
    last = first + timedelta(days=length)
    early = Pattern(frozenset(weekdays), time(6), time(14), Days(first, last))
    made = [shift.day for shift in occurrences(early, ZoneInfo("Asia/Tokyo"), [closure])]
    wanted = [
        first + timedelta(days=number)
        for number in range(length + 1)
        if (first + timedelta(days=number)).isoweekday() in weekdays and not closed <= number <= closed + days
    ]
    assert made == wanted
    assert all(
        shift.starts_at == datetime(shift.day.year, shift.day.month, shift.day.day, 21, tzinfo=UTC) - timedelta(days=1)
        for shift in occurrences(early, ZoneInfo("Asia/Tokyo"), [closure])
    ), "06:00 in Tokyo"
