"""Line states through the API, and what the database refuses whoever writes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import servers
from floor import LINE, OTHER, PRODUCT, Floor, Json, floor, iso

__all__ = ["floor"]
DAY: dict[str, Any] = {"from": "2026-01-05T00:00:00+09:00", "to": "2026-01-06T00:00:00+09:00"}
INSERT = """
    INSERT INTO mes.line_state (id, line_id, state, recorded_by, started_at, ended_at, previous_ended_at)
    VALUES (gen_random_uuid(), 'line-1', 'no_shift', 'test', %s, %s, %s)
"""


async def line(floor: Floor) -> list[tuple[str, str | None, str, str]]:
    """State, reason, beginning and end in UTC, nine hours before the plant's clock."""
    items = (await floor.get(f"/lines/{LINE}/states", **DAY))["items"]
    return [
        (item["state"], item["reason"], item["started_at"][11:16], (item["ended_at"] or "")[11:16]) for item in items
    ]


async def test_states_follow_each_other(floor: Floor) -> None:
    await floor.state("06:00", "running")
    await floor.state("08:00", "unplanned_stop", "jam")
    again = await floor.state("08:30", "unplanned_stop", "jam")
    assert again["started_at"] == iso(floor.at("08:00")).replace("+00:00", "Z"), "the same state is the same state"
    await floor.state("09:00", "changeover", "product", OTHER)
    assert await line(floor) == [
        ("running", None, "21:00", "23:00"),
        ("unplanned_stop", "jam", "23:00", "00:00"),
        ("changeover", "product", "00:00", ""),
    ]
    recorded = floor.audited("line-states:record")
    assert [row[0] for row in recorded] == [floor.operator.id] * 3
    assert [(row[4] or {}).get("state") for row in recorded] == [None, "running", "unplanned_stop"]


async def test_the_past_is_reclassified_not_recorded(floor: Floor) -> None:
    await floor.state("06:00", "running")
    await floor.state("08:00", "unplanned_stop", "jam")
    body = {"time": iso(floor.at("07:00")), "state": "running", "product": PRODUCT}
    problem = await floor.refused(409, floor.operator, "POST", f"/lines/{LINE}/states", body)
    assert problem["type"] == "urn:kojo:problem:state-out-of-order"
    ((who, *_),) = floor.audited("denied")
    assert who == floor.operator.id


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"state": "asleep"}, "state"),
        ({"state": "unplanned_stop"}, "body"),
        ({"state": "running", "reason": "jam"}, "body"),
        ({"state": "running", "product": None}, "body"),
        ({"state": "planned_stop", "reason": "jam"}, "reason"),
        ({"product": "housing-999"}, "product"),
        ({"time": "2199-01-01T00:00:00Z"}, "time"),
        ({"time": "2026-01-05T06:00:00"}, "time"),
    ],
)
async def test_a_wrong_state_is_named(floor: Floor, wrong: Json, field: str) -> None:
    body = {"time": iso(floor.at("06:00")), "state": "running", "product": PRODUCT} | wrong
    problem = await floor.refused(422, floor.operator, "POST", f"/lines/{LINE}/states", body)
    assert [error["field"] for error in problem["errors"]] == [field]


async def test_reclassification_keeps_what_was(floor: Floor) -> None:
    await floor.state("06:00", "running")
    await floor.state("08:00", "unplanned_stop", "unclassified")
    await floor.state("09:00", "running")
    body = {**floor.during("07:30", "08:40"), "state": "planned_stop", "reason": "maintenance", "explanation": "plan 7"}
    path = f"/lines/{LINE}/states/reclassifications"
    await floor.refused(403, floor.operator, "POST", path, body)
    answer = await floor.done(floor.leader, "POST", path, body)
    assert answer["superseded"] == 2
    assert await line(floor) == [
        ("running", None, "21:00", "22:30"),
        ("planned_stop", "maintenance", "22:30", "23:00"),
        ("planned_stop", "maintenance", "23:00", "23:40"),
        ("unplanned_stop", "unclassified", "23:40", "00:00"),
        ("running", None, "00:00", ""),
    ]
    old = (await floor.get(f"/lines/{LINE}/states/superseded", **DAY))["items"]
    assert [(row["state"], row["reason"], row["reclassification"]) for row in old] == [
        ("running", None, answer["id"]),
        ("unplanned_stop", "unclassified", answer["id"]),
    ]
    (entry,) = (await floor.get(path))["items"]
    assert (entry["explanation"], entry["reclassified_by"]) == ("plan 7", floor.leader.id)
    (audited,) = floor.audited("line-states:reclassify")
    assert audited[3] == "plan 7"
    assert [state["state"] for state in audited[4]["states"]] == ["running", "unplanned_stop"]
    assert len(audited[5]["states"]) == 4


async def test_the_present_state_may_be_reclassified_up_to_now(floor: Floor) -> None:
    await floor.state("06:00", "unplanned_stop", "unclassified", None)
    await floor.reclassify("06:00", "07:00", "unplanned_stop", "jam")
    assert await line(floor) == [
        ("unplanned_stop", "jam", "21:00", "22:00"),
        ("unplanned_stop", "unclassified", "22:00", ""),
    ]
    path = f"/lines/{LINE}/states/reclassifications"
    late = {"from": iso(floor.at("06:00")), "to": "2199-01-01T00:00:00Z", "explanation": "x"}
    body = late | {"state": "no_shift"}
    assert (await floor.refused(422, floor.leader, "POST", path, body))["errors"][0]["field"] == "to"
    body = {**floor.during("05:00", "07:00"), "state": "no_shift", "explanation": "x"}
    assert (await floor.refused(409, floor.leader, "POST", path, body))["type"] == "urn:kojo:problem:no-state"
    body = {**floor.during("06:00", "07:00"), "state": "running", "explanation": "x"}
    assert (await floor.refused(422, floor.leader, "POST", path, body))["errors"][0]["field"] == "product"


async def test_micro_stops_are_shorter_than_the_lines_limit(floor: Floor) -> None:
    floor.admin.execute("UPDATE mes.line SET micro_stop_limit = 300 WHERE id = %s", (LINE,))
    await floor.state("06:00", "running")
    await floor.state("08:00", "unplanned_stop", "jam")
    await floor.state("08:02", "unplanned_stop", "material")
    await floor.state("08:04", "running")
    await floor.state("09:00", "unplanned_stop", "jam")
    await floor.state("09:03", "unplanned_stop", "material")
    await floor.state("09:05", "running")
    stops = await floor.get(f"/lines/{LINE}/micro-stops", **DAY)
    assert (stops["limit"], stops["seconds"]) == (300, 240)
    assert [stop["started_at"][11:16] for stop in stops["items"]] == ["23:00"], "two reasons are one stop"


async def test_reasons_grow(floor: Floor) -> None:
    new = {"state": "unplanned_stop", "code": "leak", "name": {"ja": "漏れ", "en": "Leak"}}
    await floor.refused(403, floor.leader, "POST", "/state-reasons", new)
    await floor.done(floor.lead, "POST", "/state-reasons", new)
    await floor.refused(409, floor.lead, "POST", "/state-reasons", new)
    await floor.refused(422, floor.lead, "POST", "/state-reasons", new | {"state": "running"})
    assert new in (await floor.get("/state-reasons"))["items"]
    await floor.state("06:00", "unplanned_stop", "leak", None)


async def test_unknown_lines_are_404(floor: Floor) -> None:
    await floor.refused(404, floor.operator, "GET", "/lines/line-9/states", **DAY)
    body = {"time": iso(floor.at("06:00")), "state": "no_shift"}
    await floor.refused(404, floor.operator, "POST", "/lines/line-9/states", body)


@pytest.fixture
def app(postgres: servers.Postgres, database: str) -> Iterator[psycopg.Connection]:
    """As the service itself is connected, with a time line of three links."""
    with postgres.connect(database, "kojo_app") as connection:
        for times in (
            ("2026-01-01Z", "2026-01-02Z", None),
            ("2026-01-02Z", "2026-01-03Z", "2026-01-02Z"),
            ("2026-01-03Z", None, "2026-01-03Z"),
        ):
            connection.execute(INSERT, times)
        yield connection


@pytest.mark.parametrize(
    "times",
    [
        ("2026-01-05Z", "2026-01-06Z", "2026-01-05Z"),  # a gap before it
        ("2026-01-05Z", "2026-01-06Z", None),  # a second beginning
        ("2026-01-05Z", "2026-01-06Z", "2026-01-03Z"),  # follows what it doesn't touch
        ("2026-01-02Z", "2026-01-03Z", "2026-01-02Z"),  # there is one already
        ("2026-01-02Z", "2026-01-04Z", "2026-01-02Z"),  # overlaps
        ("2026-01-03Z", None, "2026-01-03Z"),  # a second present
        ("2026-01-02Z", "2026-01-01Z", "2026-01-02Z"),  # ends before it begins
    ],
)
def test_the_time_line_takes_no_gap_and_no_overlap(app: psycopg.Connection, times: tuple[str, ...]) -> None:
    with pytest.raises(psycopg.errors.IntegrityError):
        app.execute(INSERT, times)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM mes.line_state WHERE started_at = '2026-01-02Z'",  # without a reclassification
        "DELETE FROM mes.line_state",
        "UPDATE mes.line_state SET ended_at = '2026-01-02T12:00Z' WHERE started_at = '2026-01-02Z'",  # it has ended
    ],
)
def test_nothing_leaves_the_time_line_unsaid(app: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.IntegrityError):
        app.execute(statement.encode())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE mes.line_state SET state = 'unknown'",
        "DELETE FROM mes.line_state_superseded",
        "INSERT INTO mes.line_state_superseded SELECT * FROM mes.line_state_superseded",
        "UPDATE mes.line_state_reclassification SET explanation = 'x'",
        "DELETE FROM mes.production_count_superseded",
        "UPDATE mes.production_count SET from_time = to_time",
        "DELETE FROM mes.shift",
        "DELETE FROM mes.product",
        "UPDATE mes.ideal_cycle_time SET seconds = 1",
    ],
)
def test_the_service_may_not_rewrite_the_past(app: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(statement.encode())
