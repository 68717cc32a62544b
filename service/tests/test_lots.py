"""Lots and serials through the API: what is booked, refused, held and released."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
import servers
from material import Warehouse
from shop import RESIN, Shop, made, problem, shop, signature

__all__ = ["shop"]


@pytest.fixture
def quality(postgres: servers.Postgres, database: str, admin: psycopg.Connection) -> Any:
    """Holds and nonconformances as quality's own endpoints write them."""
    with postgres.connect(database, "kojo_app") as app:
        yield Warehouse(app, admin)


async def test_a_lot_from_supplier_to_customer(shop: Shop) -> None:
    source = await shop.stock("R-1", "10.50")
    order = await shop.running()
    await shop.lot("L-1", order)
    consumed = made(await shop.consume("L-1", (source, "4")))
    assert [(item["lot"], item["into"], item["quantity"]) for item in consumed["movements"]] == [("R-1", "L-1", "4")]
    made(await shop.book("L-1", "production", "3.5"))
    released = await shop.release("L-1")
    assert (released["state"], released["reviewed_by"], released["released_by"]) == (
        "released",
        shop.inspector.id,
        shop.quality.id,
    )
    sent = {"consignee": "Sato KK", "delivery": "D-1"}
    made(await shop.book("L-1", "shipments", "1.5", shop.leader, **sent))
    last = made(await shop.book("L-1", "shipments", "2", shop.leader, **sent))
    assert (last["lot"]["state"], last["lot"]["on_hand"], last["lot"]["shipped"]) == ("shipped", "0", "3.5")
    balance = (await shop.get("traceability/lots/R-1/balance")).json()
    assert {name: balance[name] for name in ("received", "consumed", "on_hand")} == {
        "received": "10.5",
        "consumed": "4",
        "on_hand": "6.5",
    }
    moved = (await shop.get("traceability/lots/L-1/movements")).json()["items"]
    assert [item["kind"] for item in moved] == ["consumed", "produced", "shipped", "shipped"]
    assert [item["kind"] for item in (await shop.get("traceability/lots/L-1/movements", limit=1)).json()["items"]] == [
        "consumed"
    ]
    assert shop.audited("L-1") == [
        "traceability:register",
        "traceability:consume-into",
        "traceability:produced",
        "traceability:release",
        "traceability:shipped",
        "traceability:shipped",
    ]
    assert "traceability:consumed" in shop.audited("R-1")


async def test_a_held_lot_is_refused_with_its_hold_and_the_attempt_is_on_record(shop: Shop, quality: Warehouse) -> None:
    source, order = await shop.stock("R-1"), await shop.running()
    await shop.lot("L-1", order)
    hold = quality.hold(source)
    sent = {"consignee": "Sato KK", "delivery": "D-1"}
    for answer in (
        await shop.consume("L-1", (source, "1")),
        await shop.book(source, "shipments", "1", shop.leader, **sent),
    ):
        assert problem(answer) == (409, "lot-on-hold")
        assert hold in answer.json()["detail"]
    assert [row[:2] for row in shop.denied(source)] == [(shop.operator.id, "consumed"), (shop.leader.id, "shipped")]
    assert (await shop.get("traceability/lots/R-1/balance")).json()["on_hand"] == "10"
    quality.lift(hold)
    made(await shop.consume("L-1", (source, "1")))


async def test_all_inputs_or_none(shop: Shop) -> None:
    first, second, order = await shop.stock("R-1"), await shop.stock("R-2", "3"), await shop.running()
    await shop.lot("L-1", order)
    refused = await shop.consume("L-1", (first, "1"), (second, "4"))
    assert problem(refused) == (409, "not-enough")
    assert "R-2 has 3 kg, not 4" in refused.json()["title"]
    unknown = await shop.consume("L-1", (first, "1"), ("R-9", "1"))
    assert [(fault["index"], fault["field"]) for fault in unknown.json()["errors"]] == [(1, "lot")]
    twice = await shop.consume("L-1", (first, "1"), (first, "1"))
    assert (twice.status_code, twice.json()["errors"][0]["field"]) == (422, "inputs")
    assert (await shop.get("traceability/lots/R-1")).json()["on_hand"] == "10"


async def test_many_requests_at_once_consume_what_there_is(shop: Shop) -> None:
    source, order = await shop.stock("R-1"), await shop.running()
    await shop.lot("L-1", order)
    answers = await asyncio.gather(*(shop.consume("L-1", (source, "3")) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 5
    assert (await shop.get("traceability/lots/R-1/balance")).json()["on_hand"] == "1"
    assert len(shop.denied(source)) == 5


async def test_what_is_not_released_is_not_used(shop: Shop) -> None:
    order = await shop.running()
    await shop.lot("R-1")
    made(await shop.book("R-1", "receipts"))
    await shop.lot("L-1", order)
    assert problem(await shop.consume("L-1", ("R-1", "1"))) == (409, "lot-not-usable")
    sent = {"consignee": "Sato KK", "delivery": "D-1"}
    assert problem(await shop.book("R-1", "shipments", "1", shop.leader, **sent)) == (409, "lot-not-usable")
    assert problem(await shop.book("R-1", "production")) == (409, "not-made-here")
    assert problem(await shop.book("L-1", "receipts")) == (409, "not-received")
    made(await shop.move(order, "paused"))
    assert problem(await shop.book("L-1", "production")) == (409, "order-not-running")


async def test_a_release_names_all_that_it_lacks(shop: Shop, quality: Warehouse) -> None:
    await shop.lot("R-1")
    made(await shop.book("R-1", "receipts", "5"))
    hold, number = quality.hold("R-1"), quality.nonconformance("R-1")
    answer = await shop.sign_release("R-1", signed=False)
    assert problem(answer) == (409, "not-releasable")
    missing = {fault["field"]: fault["detail"] for fault in answer.json()["errors"]}
    assert set(missing) == {"review", "release", "holds", "nonconformances"}
    assert hold in missing["holds"]
    assert number in missing["nonconformances"]
    assert shop.denied("R-1")[0][1] == "released"
    quality.lift(hold)
    made(await shop.review("R-1"))
    still = await shop.sign_release("R-1")
    assert [fault["field"] for fault in still.json()["errors"]] == ["nonconformances"]
    quality.close(number)
    assert made(await shop.sign_release("R-1"))["state"] == "released"


async def test_a_review_is_void_when_the_lot_changes(shop: Shop) -> None:
    await shop.lot("R-1")
    made(await shop.book("R-1", "receipts", "5"))
    made(await shop.review("R-1"))
    made(await shop.book("R-1", "receipts", "1"))
    answer = await shop.sign_release("R-1")
    assert [fault["field"] for fault in answer.json()["errors"]] == ["review"]


async def test_who_signs_what(shop: Shop) -> None:
    await shop.lot("R-1")
    made(await shop.book("R-1", "receipts", "5"))
    assert (await shop.review("R-1", shop.operator, "operator")).status_code == 403
    assert problem(await shop.review("R-1", shop.quality, "quality_inspector")) == (403, "may-not-sign")
    made(await shop.review("R-1"))
    assert (await shop.sign_release("R-1", typed="not the password")).status_code in {401, 403}
    body = {"signature": signature(shop.inspector, "quality_inspector")}
    version = await shop.version("R-1")
    assert (await shop.send(shop.inspector, "traceability/lots/R-1/release", body, version)).status_code == 403
    assert (await shop.get("traceability/lots/R-1")).json()["state"] == "in_process"
    made(await shop.sign_release("R-1"))


async def test_the_signatures_stand_until_somebody_tampers(shop: Shop) -> None:
    await shop.stock("R-1", "5")
    sent = {"consignee": "Sato KK", "delivery": "D-1"}
    made(await shop.book("R-1", "shipments", "1", shop.leader, **sent))

    async def validities() -> dict[str, str]:
        found = (await shop.get("signatures", record_id="R-1")).json()["items"]
        return {item["meaning"]: item["validity"] for item in found}

    assert await validities() == {"review": "valid", "release": "valid"}
    shop.admin.execute("ALTER TABLE mes.material_movement DISABLE TRIGGER append_only")
    shop.admin.execute("UPDATE mes.material_movement SET quantity = 6 WHERE kind = 'received'")
    assert await validities() == {"review": "invalid", "release": "invalid"}


async def test_a_serial_is_one_piece_and_its_number_is_used_once(shop: Shop) -> None:
    order = await shop.running(unit="pcs", quantity="3")
    serial = {"kind": "serial", "unit": "pcs"}
    await shop.lot("S-1", order, **serial)
    made(await shop.book("S-1", "production", "1", unit="pcs"))
    assert problem(await shop.book("S-1", "production", "1", unit="pcs")) == (409, "serial-is-one-piece")
    body = {"time": datetime.now(UTC).isoformat(), "reason": "cracked"}
    ended = made(await shop.send(shop.operator, "traceability/lots/S-1/end", body))
    assert (ended["lot"]["state"], ended["lot"]["on_hand"]) == ("scrapped", "0")
    again = await shop.send(shop.operator, "traceability/lots/S-1/end", body)
    assert problem(again) == (409, "illegal-transition")
    same = {"id": "S-1", "product": RESIN, "order": order, **serial}
    assert problem(await shop.send(shop.operator, "traceability/lots", same)) == (409, "id-taken")


async def test_a_lot_that_never_held_anything_ends(shop: Shop) -> None:
    order = await shop.running()
    await shop.lot("L-1", order)
    body = {"time": datetime.now(UTC).isoformat(), "reason": "order changed"}
    ended = made(await shop.send(shop.operator, "traceability/lots/L-1/end", body))
    assert (ended["movements"], ended["lot"]["state"]) == ([], "scrapped")


async def test_scrap_in_process_does_not_end_a_lot(shop: Shop) -> None:
    order = await shop.running()
    await shop.lot("L-1", order)
    made(await shop.book("L-1", "production", "2"))
    first = made(await shop.book("L-1", "scrap", "2", reason="first-off"))
    assert (first["lot"]["state"], first["lot"]["on_hand"]) == ("in_process", "0")
    made(await shop.book("L-1", "production", "2"))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"unit": "g"}, "unit"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "Infinity"}, "quantity"),
        ({"time": "2199-01-01T00:00:00Z"}, "time"),
        ({"time": "yesterday"}, "time"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_booking_that_is_wrong_names_its_field(shop: Shop, wrong: dict[str, Any], field: str) -> None:
    await shop.lot("R-1")
    answer = await shop.book("R-1", "receipts", **{"quantity": "1", **wrong})
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": "WO-1"},
        {"supplier_lot": None},
        {"supplier": None, "supplier_lot": None},
        {"kind": "serial"},
        {"product": "nothing"},
        {"id": "\u0000"},
    ],
)
async def test_a_registration_that_is_wrong_is_refused(shop: Shop, wrong: dict[str, Any]) -> None:
    body = {"id": "R-1", "product": RESIN, "unit": "kg", "supplier": "Asahi", "supplier_lot": "A-1", **wrong}
    assert (await shop.send(shop.operator, "traceability/lots", body)).status_code == 422


async def test_lots_are_found_by_what_they_are(shop: Shop) -> None:
    order = await shop.running()
    await shop.lot("L-1", order)
    await shop.lot("L-2", product=RESIN)
    expected: list[tuple[dict[str, Any], list[str]]] = [
        ({"order": order}, ["L-1"]),
        ({"product": RESIN}, ["L-2"]),
        ({"state": "created"}, ["L-1", "L-2"]),
        ({"state": "shipped"}, []),
    ]
    for query, found in expected:
        assert [item["id"] for item in (await shop.get("traceability/lots", **query)).json()["items"]] == found
    planned = await shop.plan("WO-2")
    body = {"id": "L-3", "product": RESIN, "unit": "kg", "order": planned["id"]}
    assert problem(await shop.send(shop.operator, "traceability/lots", body)) == (409, "order-not-at-work")
