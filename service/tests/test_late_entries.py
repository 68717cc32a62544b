"""Entries of what happened a while ago: with a reason, and judged then and now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from conftest import client_of, fields
from floor import LINE, PRODUCT, Floor, floor, iso
from laboratory import GAUGE, Laboratory, People, laboratory
from material import Warehouse, refused
from shop import Shop, made, problem, shop
from test_lots import quality

from kojo_mes.api import create_app
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.settings import ApiSettings

__all__ = ["floor", "laboratory", "quality", "shop"]
WHY: dict[str, Any] = {"late_entry_reason": "the terminal was down, sheet 12"}
HOUR = timedelta(hours=1)


def ago(hours: float) -> str:
    return iso(datetime.now(UTC) - hours * HOUR)


def fault(answer: Any) -> tuple[int, list[str]]:
    return answer.status_code, [item["field"] for item in answer.json()["errors"]]


async def calibrated_since(laboratory: Laboratory, days: float, **more: Any) -> str:
    """A gauge, under a specification that was approved long ago; the calibration's id."""
    await laboratory.gauge(GAUGE, calibrated=False)
    await laboratory.define()
    await laboratory.specify(unit="mm", lower_limit=73.95, target=74.0, upper_limit=74.05)
    with laboratory.admin.transaction():
        laboratory.admin.execute("SET LOCAL session_replication_role = replica")
        laboratory.admin.execute("UPDATE mes.specification SET effective_from = '2026-01-01T00:00:00Z'")
    return str((await laboratory.calibrate(GAUGE, datetime.now(UTC) - timedelta(days=days), **more))["id"])


async def test_a_check_of_long_ago_has_a_reason(laboratory: Laboratory) -> None:
    await calibrated_since(laboratory, 9)
    late = laboratory.measured(74.0, measured_at=ago(24.1))
    answer = await laboratory.post("/quality/checks", late, "operator")
    assert fault(answer) == (422, ["late_entry_reason"])
    assert "measured_at is more than 24 h ago" in answer.json()["errors"][0]["detail"]
    check = await laboratory.check(late | WHY)
    assert check["late_entry_reason"] == WHY["late_entry_reason"]
    reason = "SELECT reason FROM mes.audit_event WHERE action = 'quality:record-check'"
    assert laboratory.one(reason) == WHY["late_entry_reason"]
    assert (await laboratory.check(laboratory.measured(74.0, measured_at=ago(23.9))))["late_entry_reason"] is None


async def test_a_plant_may_ask_for_a_reason_sooner(variables: dict[str, str], admin: psycopg.Connection) -> None:
    app = create_app(ApiSettings(**fields(variables | {"KOJO_MES_BACKDATING_HOURS": "0.5"})))
    async with client_of(app) as client:
        client.headers.pop("Authorization")
        laboratory = Laboratory(app, client, admin, People(admin))
        await calibrated_since(laboratory, 9)
        answer = await laboratory.post("/quality/checks", laboratory.measured(74.0, measured_at=ago(0.6)), "operator")
        assert fault(answer) == (422, ["late_entry_reason"])
        await laboratory.check(laboratory.measured(74.0, measured_at=ago(0.4)))


async def test_an_earlier_time_does_not_get_round_the_end_of_a_calibration(laboratory: Laboratory) -> None:
    first = await calibrated_since(laboratory, 3, valid_until=ago(1))
    given = laboratory.measured(74.0, measured_at=ago(2))
    answer = await laboratory.post("/quality/checks", given, "operator")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:kojo:problem:gauge-out-of-calibration")
    assert laboratory.denied("gauge") == 1
    await laboratory.calibrate(GAUGE, datetime.now(UTC))
    assert (await laboratory.check(given))["calibration"] == first, "it relies on the one of its own time"
    await laboratory.calibrate(GAUGE, datetime.now(UTC), "out", "out")
    again = laboratory.measured(74.0, measured_at=ago(2))
    assert (await laboratory.post("/quality/checks", again, "operator")).status_code == 409


async def test_bookings_of_long_ago_have_a_reason(shop: Shop) -> None:
    late: dict[str, Any] = {"time": ago(25)}
    source, order = await shop.stock("R-1"), await shop.running()
    await shop.lot("R-2")
    await shop.lot("L-1", order)
    inputs = {"inputs": [{"lot": source, "unit": "kg", "quantity": "1"}]}
    one = {"unit": "kg", "quantity": "1"}
    sent = {"consignee": "Sato KK", "delivery": "D-1"}
    for path, who, body in (
        ("R-2/receipts", shop.operator, one),
        ("L-1/consumption", shop.operator, inputs),
        ("L-1/production", shop.operator, one),
        ("L-1/scrap", shop.operator, one | {"reason": "burrs"}),
        ("R-1/shipments", shop.leader, one | sent),
        ("R-2/end", shop.operator, {"reason": "cracked"}),
    ):
        answer = await shop.send(who, f"traceability/lots/{path}", body | late)
        assert fault(answer) == (422, ["late_entry_reason"]), path
    booked = made(await shop.book("R-2", "receipts", **late, **WHY))
    assert booked["movements"][0]["late_entry_reason"] == WHY["late_entry_reason"]
    made(await shop.book("L-1", "production", **late, **WHY))
    made(await shop.book("L-1", "scrap", **late, **WHY, reason="burrs"))
    reasons = shop.admin.execute(
        "SELECT action, reason FROM mes.audit_event WHERE record_type = 'lot' AND reason IS NOT NULL ORDER BY id"
    ).fetchall()
    why = WHY["late_entry_reason"]
    assert reasons == [
        ("traceability:received", why),
        ("traceability:produced", why),
        ("traceability:scrapped", f"burrs; {why}"),
    ]


def as_of_earlier(admin: psycopg.Connection, lot: str) -> None:
    """Released five hours ago; held, and not any more, from three hours ago until an hour ago."""
    with admin.transaction():
        admin.execute("SET LOCAL session_replication_role = replica")
        admin.execute("UPDATE mes.lot SET released_at = now() - interval '5 h' WHERE id = %s", (lot,))
        admin.execute("UPDATE mes.hold SET placed_at = now() - interval '3 h', released_at = now() - interval '1 h'")


@pytest.mark.parametrize("of_line", [False, True], ids=["its own hold", "a hold of all that the line makes"])
async def test_what_was_held_or_not_released_then_was_not_used_then(
    shop: Shop, quality: Warehouse, of_line: bool
) -> None:
    if of_line:
        await shop.lot(lot := "M-1", await shop.running("WO-2"))
        made(await shop.book(lot, "production", "10"))
        await shop.release(lot)
    else:
        lot = await shop.stock("R-1")
    quality.lift(hold := quality.hold(None if of_line else lot))
    as_of_earlier(shop.admin, lot)
    sent = {"consignee": "Sato KK", "delivery": "D-1"}
    await shop.lot("L-1", await shop.running())
    inputs = {"inputs": [{"lot": lot, "unit": "kg", "quantity": "1"}]}
    for hours, kind in ((2, "lot-on-hold-then"), (6, "lot-not-usable-then")):
        for answer in (
            await shop.book(lot, "shipments", "1", shop.leader, **sent, time=ago(hours)),
            await shop.send(shop.operator, "traceability/lots/L-1/consumption", inputs | {"time": ago(hours)}),
        ):
            assert problem(answer) == (409, kind)
            assert (hold in answer.json()["detail"]) is (hours == 2)
    assert [row[:2] for row in shop.denied(lot)] == [(shop.leader.id, "shipped"), (shop.operator.id, "consumed")] * 2
    for earlier in (4, 0.5):
        made(await shop.book(lot, "shipments", "1", shop.leader, **sent, time=ago(earlier)))


@pytest.mark.parametrize("held", ["lot", "serial", "line"])
def test_the_database_knows_what_was_held_then(quality: Warehouse, held: str) -> None:
    lot = quality.stock("R")
    quality.lift(quality.hold(*{"lot": (lot, None), "serial": (None, lot), "line": (None, None)}[held]))
    as_of_earlier(quality.admin, lot)
    ship = (
        "INSERT INTO mes.material_movement (id, kind, lot_id, quantity, unit, time, consignee, delivery, recorded_by)"
        " VALUES (%s, 'shipped', %s, 1, 'kg', now() - %s, 'Sato KK', 'D-1', 'test')"
    )
    if held == "line":  # it came from a supplier: what the line makes is not it
        quality.app.execute(ship, (new_id(), lot, 2 * HOUR))
    else:
        with refused("movement_of_a_lot_not_held_then"):
            quality.app.execute(ship, (new_id(), lot, 2 * HOUR))
    with refused("movement_after_the_release"):
        quality.app.execute(ship, (new_id(), lot, 6 * HOUR))
    with refused("movement_late_entry_has_a_reason"):
        quality.admin.execute("ALTER TABLE mes.material_movement DISABLE TRIGGER usable_then")
        quality.app.execute(ship, (new_id(), lot, 25 * HOUR))


async def test_counts_of_long_ago_have_a_reason(floor: Floor) -> None:
    path, end = f"/lines/{LINE}/counts", datetime.now(UTC) - 25 * HOUR
    count = {"product": PRODUCT, "from": iso(end - HOUR), "to": iso(end), "good": 1, "scrap": 0, "rework": 0}
    fresh = count | {"from": iso(end + 23 * HOUR), "to": iso(end + 24 * HOUR)}
    refusal = await floor.refused(422, floor.operator, "POST", path, {"counts": [fresh, count]})
    assert [(item["index"], item["field"]) for item in refusal["errors"]] == [(1, "late_entry_reason")]
    assert "to is more than 24 h ago" in refusal["errors"][0]["detail"]
    taken = await floor.done(floor.operator, "POST", path, {"counts": [fresh, count | WHY]})
    assert taken["accepted"] == 2
    again = await floor.done(floor.operator, "POST", path, {"counts": [fresh, count]})
    assert again["duplicates"] == 2, "what is known already needs no reason"
    ((_, _, _, _, _, new),) = floor.audited("production:count")
    assert [item["late_entry_reason"] for item in new["counts"]] == [None, WHY["late_entry_reason"]]


async def test_the_database_asks_for_the_reason_by_the_rows_own_times(floor: Floor, laboratory: Laboratory) -> None:
    await calibrated_since(laboratory, 9)
    await laboratory.check(laboratory.measured(74.0))
    await floor.count("06:00", "07:00", 1)
    copy = (
        "INSERT INTO mes.{0} SELECT (jsonb_populate_record(row, jsonb_build_object("
        " 'id', gen_random_uuid(), 'late_entry_reason', %s::text, 'recorded_at', now() + %s::interval, {1}))).*"
        " FROM mes.{0} AS row LIMIT 1"
    )
    for table, times, rule in (
        ("quality_check", "'measured_at', now()", "quality_check_late_entry_has_a_reason"),
        (
            "production_count",
            "'from_time', now() - interval '1 h', 'to_time', now(), 'product_id', 'carton-10'",
            "production_count_late_entry_has_a_reason",
        ),
    ):
        statement = copy.format(table, times).encode()
        with refused(rule):
            floor.admin.execute(statement, (None, 25 * HOUR))
        with pytest.raises(psycopg.errors.CheckViolation):
            floor.admin.execute(statement, (" ", 25 * HOUR))
        floor.admin.execute(statement, (None, 23 * HOUR))
        if table == "quality_check":
            floor.admin.execute(statement, ("sheet 12", 25 * HOUR))
