"""Work orders through the API."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shop import Shop, made, order_body, problem, shop

from kojo_mes.kit.ids import new_id

__all__ = ["shop"]
STATES = ("planned", "released", "running", "paused", "completed", "closed", "cancelled")
# the oracle: what a plant's people would say is possible (ISA-95 part 4; B2MML's JobOrder)
POSSIBLE = {
    "planned": {"released", "cancelled"},
    "released": {"running", "cancelled"},
    "running": {"paused", "completed"},
    "paused": {"running", "completed"},
    "completed": {"closed"},
}


async def test_an_order_lives(shop: Shop) -> None:
    planned = await shop.plan(quantity="12.50", due="2026-12-09T17:00:00+09:00")
    assert (planned["state"], planned["version"], planned["quantity"], planned["due"]) == (
        "planned",
        1,
        "12.5",
        "2026-12-09T08:00:00Z",
    )
    for to in ("released", "running", "paused", "running", "completed", "closed"):
        answer = await shop.move("WO-1", to)
        assert made(answer)["state"] == to
        assert answer.headers["ETag"] == f'"{answer.json()["version"]}"'
    order = (await shop.get("orders/WO-1")).json()
    assert order["created_at"] < order["started_at"] < order["ended_at"]
    assert shop.audited("WO-1") == [
        "orders:plan",
        "orders:released",
        "orders:running",
        "orders:paused",
        "orders:running",
        "orders:completed",
        "orders:closed",
    ]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(wanted=st.lists(st.sampled_from(STATES[1:]), min_size=1, max_size=12))
async def test_only_what_is_possible_happens_and_the_rest_is_on_record(shop: Shop, wanted: list[str]) -> None:
    number, present, refusals = new_id(), "planned", []
    await shop.plan(number)
    for to in wanted:
        answer = await shop.move(number, to, reason="because")
        if to in POSSIBLE.get(present, set()):
            present = made(answer)["state"]
            assert present == to
        else:
            assert problem(answer) == (409, "illegal-transition")
            assert all(state in answer.json()["detail"] for state in POSSIBLE.get(present, set()))
            refusals.append(f"{present} → {to}")
    assert (await shop.get(f"orders/{number}")).json()["state"] == present
    assert [row[1] for row in shop.denied(number)] == refusals


async def test_a_number_is_used_once(shop: Shop) -> None:
    await shop.plan()
    made(await shop.move("WO-1", "cancelled", reason="wrong product"))
    again = await shop.send(shop.planner, "orders", order_body())
    assert problem(again) == (409, "id-taken")
    assert shop.denied("WO-1")[0][0] == shop.planner.id


async def test_a_change_names_the_version_it_changes(shop: Shop) -> None:
    body = order_body()
    await shop.plan()
    del body["id"]
    assert (await shop.send(shop.planner, "orders/WO-1", body, method="PUT")).status_code == 428
    assert (await shop.send(shop.planner, "orders/WO-1", body, 2, method="PUT")).status_code == 412
    answer = await shop.send(shop.planner, "orders/WO-1", {**body, "quantity": "7"}, 1, method="PUT")
    assert (made(answer)["quantity"], answer.json()["version"]) == ("7", 2)
    assert (await shop.get("orders/WO-1")).headers["ETag"] == '"2"'
    made(await shop.move("WO-1", "released"))
    assert problem(await shop.send(shop.planner, "orders/WO-1", body, 3, method="PUT")) == (409, "order-fixed")


async def test_the_same_key_plans_once(shop: Shop) -> None:
    key: dict[str, Any] = {"Idempotency-Key": new_id()}
    first = await shop.send(shop.planner, "orders", order_body(due="2026-12-09T08:00:00Z"), **key)
    again = await shop.send(shop.planner, "orders", order_body(due="2026-12-09T08:00:00Z"), **key)
    assert (again.status_code, again.json(), again.headers["Idempotency-Replayed"]) == (201, first.json(), "true")
    other = await shop.send(shop.planner, "orders", order_body("WO-2"), **key)
    assert problem(other) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"line": "line-9"}, "line"),
        ({"product": "nothing"}, "product"),
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "NaN"}, "quantity"),
        ({"quantity": "0.0000001"}, "quantity"),
        ({"unit": "pcs", "quantity": "1.5"}, "quantity"),
        ({"unit": "stone"}, "unit"),
        ({"due": "2026-01-05T08:00:00"}, "due"),
        ({"due": "0001-01-01T00:00:00+14:00"}, "due"),
        ({"id": "a b"}, "id"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_is_wrong_is_named(shop: Shop, wrong: dict[str, Any], field: str) -> None:
    answer = await shop.send(shop.planner, "orders", order_body(**wrong))
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


async def test_orders_come_in_pages(shop: Shop) -> None:
    numbers = [f"WO-{number:02}" for number in range(7)]
    for number in numbers:
        await shop.plan(number)
    made(await shop.move("WO-03", "released"))
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = (await shop.get("orders", limit=3, **cursor)).json()
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == numbers
    assert [item["id"] for item in (await shop.get("orders", state="released")).json()["items"]] == ["WO-03"]
    assert (await shop.get("orders", line="line-2")).json()["items"] == []


async def test_a_balance_adds_up_and_mass_is_not_made(shop: Shop) -> None:
    order = await shop.running()
    source = await shop.stock("R-1", "60")
    await shop.lot("L-1", order)
    made(await shop.book("L-1", "production", "40"))
    assert problem(await shop.move(order, "completed")) == (409, "mass-balance")
    assert "40 kg out of 0 kg" in shop.denied(order)[0][2]
    made(await shop.consume("L-1", (source, "45.5")))
    made(await shop.book("L-1", "scrap", "4", reason="burrs"))
    balance = (await shop.get(f"orders/{order}/balance")).json()
    assert balance["mass"] == {"consumed": "45.5", "produced": "40", "loss": "5.5"}
    assert (balance["good"], balance["remaining"], balance["planned"]) == ("36", "64", "100")
    assert [item["quantity"] for item in balance["scrapped"]] == ["4"]
    made(await shop.move(order, "completed"))
    open_lots = await shop.move(order, "closed")
    assert problem(open_lots) == (409, "open-lots")
    assert "L-1" in open_lots.json()["detail"]
    await shop.release("L-1")
    made(await shop.move(order, "closed"))


async def test_only_planners_plan_and_the_attempt_is_on_record(shop: Shop) -> None:
    for who in (shop.operator, shop.leader, shop.inspector, shop.quality):
        assert (await shop.send(who, "orders", order_body())).status_code == 403
    assert (await shop.get("orders/WO-1")).status_code == 404
    assert {row[0] for row in shop.denied("orders:plan")} == {
        person.id for person in (shop.operator, shop.leader, shop.inspector, shop.quality)
    }
