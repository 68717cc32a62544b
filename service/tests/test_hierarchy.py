"""ISA-95's tree from the plant's page, equipment health, and what devices may say of lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
import servers
from conftest import PLANT_FILE, client_of, environment, fields, send
from floor import LINE, PRODUCT, Floor, floor, iso
from people import somebody
from trail import forget

from kojo_mes.api import create_app
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.settings import ApiSettings, MigrationSettings
from kojo_mes.lines.plant import Plant, PlantError, read_plant
from kojo_mes.migrate import migrate

__all__ = ["floor"]


@pytest.fixture
def large(plant: Plant) -> Plant:
    """The test plant with an enterprise, an area and a work cell, and a meter."""
    page = plant.model_dump(mode="json")
    page["enterprise"] = "Kojo KK"
    page["areas"] = [{"id": "assembly", "name": {"en": "Assembly"}}]
    page["lines"][0] |= {"area": "assembly", "work_cells": [{"id": "cell-1", "name": {"en": "Press cell"}}]}
    page["lines"][0]["equipment"][0] |= {"work_cell": "cell-1", "energy_meter": True}
    return Plant.model_validate(page)


async def test_the_tree_is_the_plants_page(
    postgres: servers.Postgres, empty_database: str, large: Plant, redis: servers.Redis
) -> None:
    variables = environment(postgres, empty_database, redis.sentinel_port)
    owner = MigrationSettings(**fields(variables))
    migrate(owner, large)
    assert migrate(owner, large) == []
    async with client_of(create_app(ApiSettings(**fields(variables)))) as client:
        tree = (await client.get("/api/v1/hierarchy")).json()
        lines = (await client.get("/api/v1/lines")).json()["items"]
    assert (tree["enterprise"], tree["site"]["id"], tree["site"]["timezone"]) == ("Kojo KK", "plant_t", "Asia/Tokyo")
    (area,), (alone,) = tree["site"]["areas"], tree["site"]["lines"]
    assert (area["id"], alone["id"]) == ("assembly", "line-2")
    (line,) = area["lines"]
    (cell,) = line["work_cells"]
    assert [item["id"] for item in cell["equipment"]] == ["press-1"]
    assert [item["id"] for item in line["equipment"]] == ["robot-1"]
    units = {sensor["name"]: sensor["unit"] for sensor in lines[0]["equipment"][0]["sensors"]}
    assert (units["press-1.energy"], units["press-1.temperature"]) == ("kWh", "°C")
    assert "robot-1.energy" not in {sensor["name"] for sensor in lines[0]["equipment"][1]["sensors"]}


def test_what_the_page_changes_is_on_record(postgres: servers.Postgres, empty_database: str, plant: Plant) -> None:
    owner = MigrationSettings(**fields(environment(postgres, empty_database)))
    migrate(owner, plant)
    page = plant.model_dump(mode="json")
    page["lines"] = page["lines"][:1]
    page["lines"][0]["ideal_cycle_time"] = 3.5
    page["lines"][0]["equipment"][0] |= {"temperature_limit": 95.5, "energy_meter": True}
    with postgres.connect(empty_database) as connection:
        forget(connection)
        migrate(owner, Plant.model_validate(page))
        told = {
            (row[0], row[1]): row[2:]
            for row in connection.execute(
                "SELECT record_type, record_id, source, action, actor_kind, old, new FROM mes.audit_event"
            ).fetchall()
        }
    assert {row[:3] for (record, _), row in told.items() if record != "schema"} == {
        ("service", "plant:synchronise", "system")
    }
    assert told["equipment", "press-1"][3]["temperature_limit"] == 80
    assert told["equipment", "press-1"][4]["temperature_limit"] == 95.5
    assert [told["line", "line-1"][at]["ideal_cycle_time"] for at in (3, 4)] == [4.0, 3.5]
    assert (told["line", "line-2"][3], *told["line", "line-2"][4]) == ({"retired_at": None}, "retired_at")
    (meter,) = [row[4] for (record, _), row in told.items() if record == "sensor"]
    assert meter["name"] == "press-1.energy"
    seconds = [row[4].get("seconds") for (record, _), row in told.items() if record == "ideal_cycle_time"]
    assert sorted(filter(None, seconds)) == ["3.500000"]
    assert len(seconds) == 2, "the one before has its end on record"


def test_another_micro_stop_limit_outdates_the_lines_figures(
    postgres: servers.Postgres, empty_database: str, plant: Plant
) -> None:
    owner = MigrationSettings(**fields(environment(postgres, empty_database)))
    migrate(owner, plant)
    with postgres.connect(empty_database) as connection:
        for line in ("line-1", "line-2"):
            connection.execute(
                "INSERT INTO mes.shift (id, line_id, name, day, starts_at, ends_at, exception)"
                " VALUES (%s, %s, 'early', '2026-01-05', '2026-01-05 06:00Z', '2026-01-05 14:00Z', 'x')",
                (f"shift of {line}", line),
            )
            connection.execute(
                "INSERT INTO mes.oee_rollup (shift_id, status, micro_stop_limit, missing, findings)"
                " VALUES (%s, 'refused', 0, '[{}]', '[]')",
                (f"shift of {line}",),
            )
        page = plant.model_dump(mode="json")
        page["lines"][0]["equipment"][0]["temperature_limit"] = 95.5
        page["lines"][0]["product"] = "housing-200"
        migrate(owner, Plant.model_validate(page))
        query = "SELECT shift_id FROM mes.oee_rollup WHERE stale"
        assert connection.execute(query).fetchall() == [], "neither is an input of theirs"
        page["lines"][0]["micro_stop_limit"] = 300
        migrate(owner, Plant.model_validate(page))
        assert connection.execute(query).fetchall() == [("shift of line-1",)]


def test_a_cells_equipment_is_its_own_lines(postgres: servers.Postgres, empty_database: str, large: Plant) -> None:
    migrate(MigrationSettings(**fields(environment(postgres, empty_database))), large)
    with (
        postgres.connect(empty_database) as connection,
        pytest.raises(psycopg.errors.ForeignKeyViolation),
    ):
        connection.execute("UPDATE mes.equipment SET work_cell_id = 'cell-1' WHERE id = 'packer-1'")


def test_a_place_that_the_page_does_not_have_is_named(tmp_path: Path) -> None:
    page = tmp_path / "plant.json"
    page.write_text(PLANT_FILE.read_text().replace('"product": "carton-10"', '"product": "carton-10", "area": "attic"'))
    with pytest.raises(PlantError, match="line-2"):
        read_plant(page)


def test_a_cycle_time_that_changes_on_the_page_begins_a_version(
    postgres: servers.Postgres, empty_database: str, plant: Plant
) -> None:
    owner = MigrationSettings(**fields(environment(postgres, empty_database)))
    migrate(owner, plant)
    page = plant.model_dump(mode="json")
    page["lines"][0]["ideal_cycle_time"] = 3.5
    for _ in range(2):
        migrate(owner, Plant.model_validate(page))
    with postgres.connect(empty_database) as connection:
        rows = connection.execute(
            "SELECT seconds, valid_from IS NULL, valid_to IS NULL FROM mes.ideal_cycle_time"
            " WHERE line_id = 'line-1' ORDER BY valid_from NULLS FIRST"
        ).fetchall()
    assert [(float(row[0]), *row[1:]) for row in rows] == [(4.0, True, False), (3.5, False, True)]


async def test_health_names_what_it_lacks_and_what_it_is_made_of(client: httpx.AsyncClient) -> None:
    path = "/api/v1/equipment/press-1/health"
    assert (await client.get("/api/v1/equipment/press-9/health")).status_code == 404
    missing = await client.get(path)
    assert missing.status_code == 409
    assert {error["field"] for error in missing.json()["errors"]} == {
        "press-1.temperature",
        "press-1.status",
        "press-1.good_count",
        "press-1.reject_count",
    }
    now = datetime.now(UTC) - timedelta(seconds=5)
    values = {"temperature": 72.0, "status": 1, "good_count": 8, "reject_count": 2}
    await send(
        client,
        *({"sensor": f"press-1.{name}", "time": iso(now), "value": value} for name, value in values.items()),
        {"sensor": "press-1.status", "time": iso(now - timedelta(seconds=5)), "value": 0},
    )
    found = (await client.get(path)).json()
    assert found["thermal_points"] == pytest.approx(40 * (80 - 72) / (0.2 * 80))
    assert (found["running_points"], found["good_points"]) == (15, 24)
    assert found["score"] == pytest.approx(59)


async def test_a_device_speaks_for_its_own_line(floor: Floor) -> None:
    keeper = somebody(floor.admin, "administrator")
    device = await floor.done(keeper, "POST", "/identity/devices", {"name": "plc-2", "equipment": ["packer-1"]})
    headers = {"Authorization": f"Bearer {device['key']}"}
    count = {**floor.during("06:00", "06:10"), "product": PRODUCT, "good": 1, "scrap": 0, "rework": 0}
    count["late_entry_reason"] = "a day of the example"
    state = {"time": iso(floor.at("06:00")), "state": "running", "product": PRODUCT}
    for line, wanted in ((LINE, {403}), ("line-2", {200, 201})):
        for path, body in (("states", state), ("counts", {"counts": [count]})):
            answer = await floor.client.post(
                f"/api/v1/lines/{line}/{path}", json=body, headers=headers | {"Idempotency-Key": new_id()}
            )
            assert answer.status_code in wanted, answer.text
    assert [row[2] for row in floor.audited("denied")] == [LINE, LINE]
