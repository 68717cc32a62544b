"""Genealogy and recalls through the API, on random plants, against sets that the tests work out for themselves."""

from __future__ import annotations

import csv
import io
import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import httpx
import psycopg
import pytest
import servers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from material import Warehouse, refused
from people import Somebody, somebody

EXAMPLES = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
STOCK = 1000


@pytest.fixture
def house(postgres: servers.Postgres, database: str, admin: psycopg.Connection) -> Iterator[Warehouse]:
    with postgres.connect(database, "kojo_app") as app:
        yield Warehouse(app, admin)


@pytest.fixture
def auditor(admin: psycopg.Connection) -> Somebody:
    return somebody(admin, "auditor")


@dataclass(frozen=True)
class Plan:
    """Lots 0…; each made of some before it. `consumed[target]` is a list of (source, quantity), repeats included.

    `shipped`: 0 all stays in stock, 1 some is shipped, 2 nothing is left: a lot that a recall need not reach, 3 no
    output is booked yet (as 0 when another lot has consumed of it).
    """

    consumed: list[list[tuple[int, int]]]
    shipped: list[int]

    def edges(self) -> dict[tuple[int, int], int]:
        sums: dict[tuple[int, int], int] = defaultdict(int)
        for target, inputs in enumerate(self.consumed):
            for source, quantity in inputs:
                sums[source, target] += quantity
        return sums

    def in_process(self, number: int) -> bool:
        return self.shipped[number] == 3 and all(source != number for source, _ in self.edges())


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    size = draw(st.integers(2, 9))
    consumed = [
        draw(st.lists(st.tuples(st.integers(0, target - 1), st.integers(1, 50)), max_size=4)) if target else []
        for target in range(size)
    ]
    return Plan(consumed, draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)))


def build(house: Warehouse, plan: Plan) -> list[str]:
    house.begin_anew()
    order = house.order()
    lots: list[str] = []
    for number, inputs in enumerate(plan.consumed):
        lot = house.lot(f"L{number}", order)
        for source, quantity in inputs:
            house.move("consumed", lots[source], quantity, lot)
        if not plan.in_process(number):
            house.move("produced", lot, STOCK)
            house.release(lot)
        lots.append(lot)
    for lot, shipped in zip(lots, plan.shipped, strict=True):
        if shipped == 1:
            house.move("shipped", lot, 7)
        elif shipped == 2:
            house.move("scrapped", lot, house.row(lot)[1])
    return lots


def depths(edges: set[tuple[str, str]], start: str) -> dict[str, int]:
    """The oracle: how far each lot downstream is, level by level."""
    found, level = {start: 0}, {start}
    while level:
        level = {target for source, target in edges if source in level} - set(found)
        found |= dict.fromkeys(level, max(found.values()) + 1)
    return found


async def get(client: httpx.AsyncClient, who: Somebody, path: str, **query: str) -> httpx.Response:
    app = client._transport.app  # type: ignore[attr-defined]
    answer = await client.get(f"/api/v1/traceability/lots/{path}", params=query, headers=who.headers(app))
    assert answer.status_code == 200, answer.text
    return answer


@EXAMPLES
@given(plan=plans())
async def test_forward_and_backward_are_one_relation(
    client: httpx.AsyncClient, house: Warehouse, auditor: Somebody, plan: Plan
) -> None:
    lots = build(house, plan)
    edges = {(lots[source], lots[target]): quantity for (source, target), quantity in plan.edges().items()}
    back = {(target, source) for source, target in edges}
    for lot in lots:
        for direction, way in (("forward", set(edges)), ("backward", back)):
            answer = (await get(client, auditor, f"{lot}/genealogy", direction=direction)).json()
            expected = depths(way, lot)
            assert {item["lot"]: item["depth"] for item in answer["lots"]} == expected
            assert {(edge["source"], edge["target"]): Decimal(edge["quantity"]) for edge in answer["edges"]} == {
                (source, target): quantity
                for (source, target), quantity in edges.items()
                if (source if direction == "forward" else target) in expected
            }


@EXAMPLES
@given(plan=plans())
async def test_a_recall_names_all_that_is_there_and_how_it_got_there(
    client: httpx.AsyncClient, house: Warehouse, auditor: Somebody, plan: Plan
) -> None:
    lots = build(house, plan)
    edges = {(lots[source], lots[target]): quantity for (source, target), quantity in plan.edges().items()}
    for number, lot in enumerate(lots):
        affected = (await get(client, auditor, f"{lot}/recall")).json()["affected"]
        reached = depths(set(edges), lot)
        expected = {name for name, shipped in zip(lots, plan.shipped, strict=True) if shipped != 2 and name in reached}
        assert {item["lot"] for item in affected} == expected
        for item in affected:
            index = lots.index(item["lot"])
            used = sum(quantity for (source, _), quantity in plan.edges().items() if source == index)
            sent = 7 if plan.shipped[index] == 1 else 0
            made = 0 if plan.in_process(index) else STOCK
            assert (item["in_stock"], item["shipped"]) == (str(made - used - sent), str(sent))
            assert [Decimal(delivery["quantity"]) for delivery in item["deliveries"]] == ([sent] if sent else [])
            way = [step["lot"] for step in item["path"]] + [item["lot"]]
            assert (way[0], len(way) - 1, item["depth"]) == (lots[number], reached[item["lot"]], reached[item["lot"]])
            quantities = [Decimal(step["quantity"]) for step in item["path"]]
            assert quantities == [edges[pair] for pair in itertools.pairwise(way)]


ACTIONS = st.one_of(
    st.tuples(st.just("consumed"), st.integers(0, 4), st.integers(0, 4), st.integers(1, 6)),
    st.tuples(st.sampled_from(["produced", "shipped", "scrapped"]), st.integers(0, 4), st.just(0), st.integers(1, 6)),
    st.tuples(st.sampled_from(["release", "hold", "lift"]), st.integers(0, 4), st.just(0), st.just(0)),
)


@dataclass
class Model:
    """The oracle of one lot."""

    state: str = "created"
    released: bool = False
    made: int = 0
    gone: int = 0
    hold: str | None = None

    def free(self) -> int:
        return self.made - self.gone


@settings(EXAMPLES, max_examples=40)
@given(actions=st.lists(ACTIONS, min_size=5, max_size=40))
def test_whatever_is_tried_mass_is_kept_and_nothing_goes_round(
    house: Warehouse, actions: list[tuple[str, int, int, int]]
) -> None:
    house.begin_anew()
    order = house.order()
    lots = [house.lot(f"L{number}", order) for number in range(5)]
    models, edges = [Model() for _ in lots], set()
    for action, number, other, quantity in actions:
        model, lot, into = models[number], lots[number], models[other]
        allowed = permitted(action, model, into, number == other, quantity)
        try:
            perform(house, action, model, lot, lots[other], quantity)
        except (psycopg.errors.CheckViolation, psycopg.errors.IntegrityConstraintViolation):
            assert not allowed, (action, model, into)
            continue
        assert allowed, (action, model, into)
        follow(action, model, into, quantity)
        if action == "consumed":
            edges.add((lot, lots[other]))
    for model, lot in zip(models, lots, strict=True):
        state, on_hand, _ = house.row(lot)
        booked = house.admin.execute(
            "SELECT coalesce(sum(CASE WHEN kind = 'produced' THEN quantity ELSE -quantity END), 0)"
            " FROM mes.material_movement WHERE lot_id = %s",
            (lot,),
        ).fetchone()
        assert booked == (model.free(),)
        assert (state, on_hand) == (model.state, model.free())
        assert all((target, lot) not in edges for target in depths(edges, lot)), "a lot was made of itself"


def permitted(action: str, model: Model, into: Model, itself: bool, quantity: int) -> bool:
    match action:
        case "produced":
            return model.state in {"created", "in_process"}
        case "consumed":
            open_target = into.state in {"created", "in_process"} and not itself
            return model.state == "released" and quantity <= model.free() and open_target
        case "shipped":
            return model.state == "released" and quantity <= model.free()
        case "scrapped":
            usable = model.state in {"created", "in_process", "on_hold", "released"}
            return usable and quantity <= model.free()
        case "release":
            return model.state == "in_process" and model.free() > 0
        case "lift":
            return model.hold is not None
    return True


def perform(house: Warehouse, action: str, model: Model, lot: str, into: str, quantity: int) -> None:
    if action == "release":
        house.release(lot)
    elif action == "hold":
        hold = house.hold(lot)
        if model.hold:  # the second one of a lot changes nothing
            house.lift(hold)
        model.hold = model.hold or hold
    elif action == "lift":
        if model.hold is None:
            raise psycopg.errors.CheckViolation
        house.lift(model.hold)
    else:
        house.move(action, lot, quantity, into if action == "consumed" else None)


def follow(action: str, model: Model, into: Model, quantity: int) -> None:
    ended = model.state in {"consumed", "shipped", "scrapped"}
    if action == "produced":
        model.made += quantity
        model.state = "in_process"
    elif action in {"consumed", "shipped", "scrapped"}:
        model.gone += quantity
        if model.released and model.free() == 0:
            model.state = action
        if action == "consumed":
            into.state = "in_process"
    elif action == "release":
        model.state, model.released = "released", True
    elif action == "hold" and not ended:
        model.state = "on_hold"
    elif action == "lift":
        model.hold = None
        if not ended:
            model.state = "released" if model.released else "in_process"


def test_a_way_round_is_refused(house: Warehouse) -> None:
    order = house.order()
    first, second = house.lot("A", order), house.lot("B", order)
    house.move("produced", first, 10)
    house.release(first)
    house.move("consumed", first, 1, second)
    house.move("produced", second, 10)
    house.release(second)
    with refused("movement_into_an_open_lot"):
        house.move("consumed", second, 1, first)
    with refused("movement_into_an_open_lot"):
        house.move("consumed", first, 1, first)


async def test_tables_to_take_away(client: httpx.AsyncClient, house: Warehouse, auditor: Somebody) -> None:
    source, target = house.stock("R", "10.50"), house.lot("L", house.order())
    house.move("consumed", source, "2.5", target)
    house.move("consumed", source, "1.5", target)
    house.move("shipped", source, "0.5", to="=HYPERLINK(1)")
    answer = await get(client, auditor, f"{source}/genealogy", direction="forward", format="csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["source"], row["target"], row["quantity"], row["unit"]) for row in rows] == [
        (source, target, "4", "kg")
    ]
    assert answer.headers["content-type"].startswith("text/csv")
    app = client._transport.app  # type: ignore[attr-defined]
    path = f"/api/v1/traceability/lots/{source}/recall"
    answer = await client.get(path, headers={**auditor.headers(app), "Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["whereabouts"], row["quantity"], row["path"]) for row in rows] == [
        ("stock", "6", source),
        ("'=HYPERLINK(1)", "0.5", source),
        ("in process", "0", f"{source} > {target}"),
    ]


@pytest.mark.parametrize("what", ["genealogy?direction=forward", "recall", "balance", "movements", ""])
async def test_what_is_unknown_is_404(client: httpx.AsyncClient, auditor: Somebody, what: str) -> None:
    app = client._transport.app  # type: ignore[attr-defined]
    answer = await client.get(f"/api/v1/traceability/lots/NONE/{what}".rstrip("/"), headers=auditor.headers(app))
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:kojo:problem:unknown-lot")
