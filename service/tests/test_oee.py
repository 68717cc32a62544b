"""Counts and OEE through the API: worked by hand, refused by name, stored and made anew."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from floor import LINE, OTHER, PRODUCT, Floor, Json, floor, iso

from kojo_mes.kit.database import Database
from kojo_mes.kit.settings import ApiSettings
from kojo_mes.oee.service import roll_up_due

__all__ = ["floor"]
DAY: dict[str, Any] = {"from": "2026-01-05T00:00:00+09:00", "to": "2026-01-06T00:00:00+09:00"}
EXAMPLE = {
    "planned_busy_seconds": 27_000,
    "actual_production_seconds": 23_400,
    "ideal_production_seconds": 18_000,
    "good": 1440,
    "scrap": 40,
    "rework": 20,
    "availability": 6.5 / 7.5,
    "effectiveness": 5 / 6.5,
    "quality_ratio": 0.96,
    "oee": pytest.approx(0.64),
    "micro_stops": 0,
    "findings": [],
}


async def figure(floor: Floor, **more: Any) -> Json:
    return await floor.get("/oee", line=LINE, **(DAY | more))


async def missing(floor: Floor, **more: Any) -> list[tuple[str, str]]:
    problem = await floor.refused(409, floor.operator, "GET", "/oee", line=LINE, **(DAY | more))
    assert problem["type"] == "urn:kojo:problem:oee-inputs-missing"
    return [(error["field"], error["detail"]) for error in problem["errors"]]


async def test_the_worked_example(floor: Floor) -> None:
    shift = await floor.example_day()
    for found in (
        await figure(floor),
        await figure(floor, product=PRODUCT),
        await floor.get(f"/oee/shifts/{shift['id']}"),
    ):
        assert {name: found[name] for name in EXAMPLE} == EXAMPLE
    first = await figure(floor, **floor.during("06:00", "10:00"))
    assert (first["availability"], first["effectiveness"]) == (1.0, 930 * 12 / 14_400)


async def test_two_products_share_a_shift(floor: Floor) -> None:
    await floor.example_day()
    await floor.reclassify("12:30", "14:00", "running", product=OTHER)
    (count,) = (await floor.get(f"/lines/{LINE}/counts", **floor.during("11:30", "14:00")))["items"]
    assert [name for name, _ in await missing(floor, product=OTHER)] == ["production_count"]
    body = {"good": 0, "scrap": 0, "rework": 0, "reason": "counted as the wrong product"}
    await floor.done(floor.leader, "PUT", f"/lines/{LINE}/counts/{count['id']}", body, version=1)
    await floor.count("12:30", "14:00", 180, 20, product=OTHER)
    assert [name for name, _ in await missing(floor, product=OTHER)] == ["ideal_cycle_time"]
    times = {"product": OTHER, "seconds": "20.5", "valid_from": "2025-01-01T00:00:00Z", "reason": "measured"}
    await floor.done(floor.lead, "POST", f"/lines/{LINE}/ideal-cycle-times", times)
    other = await figure(floor, product=OTHER)
    assert (other["availability"], other["quality_ratio"]) == (1.0, 0.9)
    assert other["effectiveness"] == 200 * 20.5 / 5400
    both = await figure(floor)
    assert both["ideal_production_seconds"] == 930 * 12 + 200 * 20.5
    assert both["quality_ratio"] == (900 + 180) / (930 + 200)


async def test_no_shift_no_figure(floor: Floor) -> None:
    assert await missing(floor) == [("shift", "the shift calendar has no shift in the period")]


async def test_what_is_missing_is_named_all_at_once(floor: Floor) -> None:
    await floor.shift("06:00", "14:00")
    await floor.state("07:00", "unknown", product=None)
    await floor.state("08:00", "running", product=OTHER)
    await floor.state("09:00", "no_shift", product=None)
    await floor.count("07:30", "08:30", 5, product=OTHER)
    await floor.count("13:30", "14:30", 5)
    found = await missing(floor)
    assert [name for name, _ in found] == [
        "line_state",
        "line_state",
        "line_state",
        "production_count",
        "production_count",
        "ideal_cycle_time",
    ]
    details = " ".join(detail for _, detail in found)
    for moment in ("06:00", "07:00", "08:00", "09:00", "14:00", "08:30", "13:30", "14:30"):
        assert iso(floor.at(moment)) in details


async def test_a_shift_that_is_not_over_has_no_figure(floor: Floor) -> None:
    now = datetime.now(UTC)
    body = {
        "line": LINE,
        "name": "now",
        "exception": "test",
        "starts_at": iso(now - timedelta(hours=1)),
        "ends_at": iso(now + timedelta(hours=1)),
    }
    shift = await floor.done(floor.leader, "POST", "/shifts", body)
    problem = await floor.refused(409, floor.operator, "GET", f"/oee/shifts/{shift['id']}")
    assert problem["errors"][0]["field"] == "shift"
    assert "has not ended" in problem["errors"][0]["detail"]


async def test_an_implausible_figure_is_returned_and_found(floor: Floor) -> None:
    await floor.example_day()
    times = {"product": PRODUCT, "seconds": "24", "valid_from": "2025-06-01T00:00:00Z", "reason": "typing error"}
    await floor.done(floor.lead, "POST", f"/lines/{LINE}/ideal-cycle-times", times)
    found = await figure(floor)
    assert (found["effectiveness"], found["oee"]) == (10 / 6.5, pytest.approx(1.28))
    codes = {finding["code"]: finding["detail"] for finding in found["findings"]}
    assert codes.keys() == {"effectiveness-over-1", "oee-over-1"}
    assert "ideal_cycle_time" in codes["effectiveness-over-1"]


async def test_micro_stops_lower_effectiveness_not_availability(floor: Floor) -> None:
    await floor.example_day()
    await floor.reclassify("07:00", "07:01", "unplanned_stop", "jam")
    assert (await figure(floor))["actual_production_seconds"] == 23_340
    floor.admin.execute("UPDATE mes.line SET micro_stop_limit = 120 WHERE id = %s", (LINE,))
    found = await figure(floor)
    assert (found["actual_production_seconds"], found["micro_stops"], found["micro_stop_seconds"]) == (23_400, 1, 60)


async def test_cycle_times_have_versions(floor: Floor) -> None:
    path = f"/lines/{LINE}/ideal-cycle-times"
    (page,) = (await floor.get(path))["items"]
    assert (page["source"], page["seconds"], page["valid_from"]) == ("plant page", "4.000000", None)
    later = {"product": PRODUCT, "seconds": "3.5", "valid_from": "2026-01-05T00:00:00Z", "reason": "new gripper"}
    await floor.refused(403, floor.leader, "POST", path, later)
    await floor.done(floor.lead, "POST", path, later)
    await floor.refused(409, floor.lead, "POST", path, later)
    await floor.refused(422, floor.lead, "POST", path, later | {"seconds": "0"})
    await floor.refused(422, floor.lead, "POST", path, later | {"product": "housing-999"})
    assert [(item["seconds"], item["valid_to"]) for item in (await floor.get(path))["items"]] == [
        ("4.000000", "2026-01-05T00:00:00Z"),
        ("3.500000", None),
    ]


async def test_products_have_names_and_versions(floor: Floor) -> None:
    new = {"id": "housing-200", "name": {"en": "Housing 200"}}
    await floor.refused(403, floor.operator, "POST", "/products", new)
    assert (await floor.done(floor.lead, "POST", "/products", new))["version"] == 1
    await floor.refused(409, floor.lead, "POST", "/products", new)
    name = {"name": {"ja": "筐体200"}}
    assert (await floor.done(floor.lead, "PUT", "/products/housing-200", name, version=1))["version"] == 2
    await floor.refused(412, floor.lead, "PUT", "/products/housing-200", name, version=1)
    await floor.refused(404, floor.lead, "PUT", "/products/housing-300", name, version=1)
    assert [item["id"] for item in (await floor.get("/products"))["items"]] == [OTHER, PRODUCT, "housing-200"]


def count(floor: Floor, start: str, end: str, good: int = 1, **more: Any) -> Json:
    reason = {"late_entry_reason": "a day of the example"}
    return {**floor.during(start, end), "product": PRODUCT, "good": good, "scrap": 0, "rework": 0, **reason, **more}


async def test_counts_are_taken_once(floor: Floor, admin: psycopg.Connection) -> None:
    path = f"/lines/{LINE}/counts"
    batch = [count(floor, "06:00", "06:10"), count(floor, "06:10", "06:20")]
    first = await floor.done(floor.operator, "POST", path, {"counts": batch})
    assert first == {"received": 2, "accepted": 2, "duplicates": 0}
    again = await floor.done(floor.operator, "POST", path, {"counts": [*batch, count(floor, "06:20", "06:30")] * 2})
    assert again == {"received": 6, "accepted": 1, "duplicates": 5}
    assert admin.execute("SELECT sum(good) FROM mes.production_count").fetchone() == (3,)
    other = [count(floor, "06:30", "06:40"), count(floor, "06:05", "06:10", 7)]
    problem = await floor.refused(409, floor.operator, "POST", path, {"counts": other})
    assert (problem["type"], problem["errors"][0]["index"]) == ("urn:kojo:problem:counted-already", 1)
    assert admin.execute("SELECT count(*) FROM mes.production_count").fetchone() == (3,), "all or none"


async def test_many_senders_count_once(floor: Floor, admin: psycopg.Connection) -> None:
    batch = {"counts": [count(floor, "06:00", "06:10", 5)]}
    path = f"/lines/{LINE}/counts"
    answers = await asyncio.gather(*(floor.done(floor.operator, "POST", path, batch) for _ in range(6)))
    assert sum(answer["accepted"] for answer in answers) == 1
    assert admin.execute("SELECT sum(good) FROM mes.production_count").fetchone() == (5,)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"good": -1}, "good"),
        ({"good": 1.5}, "good"),
        ({"product": "housing-999"}, "product"),
        ({"to": "2026-01-05T05:00:00+09:00"}, "counts"),
        ({"from": "2026-01-03T06:00:00+09:00"}, "counts"),
        ({"to": "2199-01-05T05:00:00+09:00", "from": "2199-01-05T04:00:00+09:00"}, "to"),
        ({"from": "2026-01-05T06:05:00+09:00"}, "from"),
    ],
)
async def test_a_wrong_count_is_named_by_index_and_field(
    floor: Floor, admin: psycopg.Connection, wrong: Json, field: str
) -> None:
    batch = [count(floor, "06:00", "06:10"), {**count(floor, "06:10", "06:20"), **wrong}]
    problem = await floor.refused(422, floor.operator, "POST", f"/lines/{LINE}/counts", {"counts": batch})
    assert [(error["index"], error["field"]) for error in problem["errors"]] == [(1, field)]
    assert admin.execute("SELECT count(*) FROM mes.production_count").fetchone() == (0,)


async def test_a_correction_has_a_version_and_a_reason(floor: Floor) -> None:
    await floor.count("06:00", "06:10", 10)
    (stored,) = (await floor.get(f"/lines/{LINE}/counts", **DAY))["items"]
    path = f"/lines/{LINE}/counts/{stored['id']}"
    body = {"good": 8, "scrap": 2, "rework": 0, "reason": "burrs"}
    await floor.refused(403, floor.operator, "PUT", path, body, version=1)
    corrected = await floor.done(floor.leader, "PUT", path, body, version=1)
    assert (corrected["good"], corrected["scrap"], corrected["version"]) == (8, 2, 2)
    await floor.refused(412, floor.leader, "PUT", path, body, version=1)
    (row,) = floor.audited("production:correct")
    assert (row[3], row[4]["good"], row[5]["good"]) == ("burrs", 10, 8)


async def roll_up(floor: Floor) -> Json:
    return await floor.done(floor.leader, "POST", "/oee/rollups", {"line": LINE, **DAY})


async def rollups(floor: Floor) -> list[Json]:
    return list((await floor.get("/oee/rollups", line=LINE, **DAY))["items"])


async def test_stored_figures_are_the_computed_ones(floor: Floor) -> None:
    await floor.example_day()
    await floor.shift("14:00", "22:00")
    answer = await roll_up(floor)
    assert answer == {"line": LINE, "shifts": 2, "computed": 2, "refused": 1, "changed": 0}
    whole, product, evening = await rollups(floor)
    assert {name: whole[name] for name in EXAMPLE} == EXAMPLE == {name: product[name] for name in EXAMPLE}
    assert (whole["product"], product["product"]) == (None, PRODUCT)
    assert (evening["status"], evening["oee"]) == ("refused", None)
    assert [absence["input"] for absence in evening["missing"]] == ["line_state"]
    assert (await roll_up(floor))["changed"] == 0, "made anew from raw they are the same"


async def test_a_later_change_makes_a_figure_anew(floor: Floor) -> None:
    await floor.example_day()
    await roll_up(floor)
    await floor.reclassify("10:30", "11:30", "planned_stop", "maintenance")
    assert [row["stale"] for row in await rollups(floor)] == [True, True]
    assert (await roll_up(floor))["changed"] == 2
    whole, _ = await rollups(floor)
    assert (whole["stale"], whole["availability"]) == (False, 1.0)
    audited = floor.audited("oee:roll-up")[-1]
    assert audited[4]["figures"][0]["availability"] == 6.5 / 7.5
    assert audited[5]["figures"][0]["availability"] == 1.0


@pytest.mark.parametrize("change", ["state", "count", "correction", "cycle time", "shift", "cancellation"])
async def test_every_input_outdates_its_figures(floor: Floor, change: str) -> None:
    shift = await floor.example_day()
    await roll_up(floor)
    (counted, *_) = (await floor.get(f"/lines/{LINE}/counts", **DAY))["items"]
    if change == "state":
        await floor.state("14:30", "unknown", product=None)
    elif change == "count":
        await floor.count("10:40", "10:50", 1)
    elif change == "correction":
        body = {"good": 0, "scrap": 0, "rework": 0, "reason": "x"}
        await floor.done(floor.leader, "PUT", f"/lines/{LINE}/counts/{counted['id']}", body, version=1)
    elif change == "cycle time":
        body = {"product": PRODUCT, "seconds": "11", "valid_from": "2026-01-05T00:00:00Z", "reason": "x"}
        await floor.done(floor.lead, "POST", f"/lines/{LINE}/ideal-cycle-times", body)
    elif change == "shift":
        body = {"starts_at": iso(floor.at("06:00")), "ends_at": iso(floor.at("13:00")), "exception": "x"}
        await floor.done(floor.leader, "PUT", f"/shifts/{shift['id']}/times", body, version=1)
    else:
        await floor.done(floor.leader, "POST", f"/shifts/{shift['id']}/cancellation", {"exception": "x"}, version=1)
    assert {row["stale"] for row in await rollups(floor)} == {True}


async def test_the_job_rolls_up_what_is_due_and_nothing_twice(floor: Floor, settings: ApiSettings) -> None:
    floor.day = (datetime.now(UTC) - timedelta(days=2)).date()
    shift = await floor.example_day()
    database = Database(settings)
    try:
        assert await roll_up_due(database) == 1
        assert await roll_up_due(database) == 0
        when = floor.during("00:00", "24:00")
        whole, _ = (await floor.get("/oee/rollups", line=LINE, **when))["items"]
        assert whole["oee"] == pytest.approx(0.64)
        await floor.reclassify("10:30", "11:30", "planned_stop", "maintenance")
        assert await roll_up_due(database) == 1
        await floor.done(floor.leader, "POST", f"/shifts/{shift['id']}/cancellation", {"exception": "x"}, version=1)
        assert await roll_up_due(database) == 1
        assert (await floor.get("/oee/rollups", line=LINE, **when))["items"] == []
    finally:
        await database.close()
