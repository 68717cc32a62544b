"""What the database refuses, whoever writes: as the application's role, past the service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import psycopg
import pytest
import servers
from material import Warehouse, refused
from psycopg import sql

from kojo_mes.orders.states import TABLE as ORDER_TABLE
from kojo_mes.orders.states import OrderState
from kojo_mes.traceability.states import TABLE as LOT_TABLE
from kojo_mes.traceability.states import LotState

WHILE, PATIENCE = 0.3, 60.0  # s: for what must not happen, for what must


@pytest.fixture(scope="module")
def ledger(postgres: servers.Postgres, template: str) -> Iterator[str]:
    """One database for all: each test has names of its own."""
    with postgres.database(template) as name:
        yield name


@pytest.fixture
def house(postgres: servers.Postgres, ledger: str) -> Iterator[Warehouse]:
    with postgres.connect(ledger, "kojo_app") as app, postgres.connect(ledger) as admin:
        yield Warehouse(app, admin)


def test_a_lot_gives_what_it_has_and_no_more(house: Warehouse) -> None:
    source, target = house.stock("R", "10.5"), house.lot("L", house.order())
    house.move("consumed", source, "10.4", target)
    with refused("lot_gives_no_more_than_it_has"):
        house.move("consumed", source, "0.2", target)
    with refused("lot_gives_no_more_than_it_has"):
        house.move("shipped", source, "0.2")
    assert house.row(source) == ("released", Decimal("0.1"), 0)
    house.move("consumed", source, "0.1", target)
    assert house.row(source) == ("consumed", 0, 0)


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN", "Infinity", "0.0000001", "1e12"])
def test_a_quantity_is_positive_finite_and_exact(house: Warehouse, quantity: str) -> None:
    lot = house.lot("R", None)
    with refused("quantity_is_positive_and_finite"):
        house.move("received", lot, quantity)


def test_pieces_are_whole_and_a_serial_is_one(house: Warehouse) -> None:
    order = house.order(unit="pcs")
    serial = house.lot("S", order, "pcs", "serial")
    with refused("movement_pieces_are_whole"):
        house.move("produced", serial, "0.5", unit="pcs")
    with refused("lot_serial_is_one_piece"):
        house.move("produced", serial, 2, unit="pcs")
    house.move("produced", serial, 1, unit="pcs")
    with refused("lot_serial_is_one_piece"):
        house.move("produced", serial, 1, unit="pcs")
    with refused("movement_in_the_lots_unit"):
        house.move("produced", serial, 1, unit="kg")


def test_a_held_lot_is_neither_consumed_nor_shipped(house: Warehouse) -> None:
    source, target = house.stock("R"), house.lot("L", house.order())
    first, second = house.hold(source), house.hold(source)
    assert house.row(source)[0] == "on_hold"
    for lift in (first, second):
        with refused("movement_of_a_usable_lot"):
            house.move("consumed", source, 1, target)
        with refused("movement_of_a_usable_lot"):
            house.move("shipped", source, 1)
        with refused("lot_is_held"):
            house.app.execute("UPDATE mes.lot SET state = 'released' WHERE id = %s", (source,))
        house.lift(lift)
    assert house.row(source)[0] == "released"
    house.move("consumed", source, 1, target)
    with refused("lot_is_not_held"):
        house.app.execute("UPDATE mes.lot SET state = 'on_hold' WHERE id = %s", (source,))


def test_a_hold_goes_before_the_lot_it_is_on(house: Warehouse) -> None:
    hold = house.hold(house.prefix + "R")
    lot = house.lot("R", None)
    assert house.row(lot)[0] == "on_hold"
    house.lift(hold)
    assert house.row(lot)[0] == "in_process"


def test_a_hold_of_a_serial_holds_it_or_else_its_lot(house: Warehouse) -> None:
    lot, serial = house.stock("R", 1, "pcs"), house.lot("S", house.order(unit="pcs"), "pcs", "serial")
    house.hold(lot, serial)
    assert (house.row(lot)[0], house.row(serial)[0]) == ("released", "on_hold")
    house.hold(lot, house.prefix + "unregistered")
    assert house.row(lot)[0] == "on_hold"


def test_a_hold_of_a_line_holds_all_that_the_line_makes_of_the_product(house: Warehouse) -> None:
    bought, order = house.stock("R"), house.order()
    target, made, open_lot = house.lot("T", order), house.lot("M", order), house.lot("O", order)
    house.move("produced", made, 5)
    house.release(made)
    hold = house.hold(None)
    begun = house.lot("B", order)
    assert [house.row(lot)[0] for lot in (bought, made, open_lot, begun)] == ["released", *["on_hold"] * 3]
    for kind, into in (("consumed", target), ("shipped", None)):
        with refused("movement_of_a_usable_lot"):
            house.move(kind, made, 1, into)
    house.lift(hold)
    assert [house.row(lot)[0] for lot in (made, open_lot, begun)] == ["released", "in_process", "in_process"]
    house.move("shipped", made, 1)


def test_a_lot_is_not_released_beside_an_open_nonconformance_of_its_line(house: Warehouse) -> None:
    lot, bought = house.lot("L", house.order()), house.lot("R", None)
    house.move("produced", lot, 5)
    house.move("received", bought, 5)
    number = house.nonconformance(None)
    with refused("lot_released_without_open_nonconformances"):
        house.release(lot)
    house.release(bought)
    house.close(number)
    house.release(lot)


def test_a_release_needs_two_signatures_on_this_version(house: Warehouse) -> None:
    lot = house.lot("R", None)
    house.move("received", lot, 1)
    with refused("lot_released_as_signed"):
        house.app.execute("UPDATE mes.lot SET state = 'released' WHERE id = %s", (lot,))
    release = (
        "UPDATE mes.lot SET state = 'released', signed_version = version, reviewed_by = %s,"
        " reviewer_role = 'quality_manager', released_by = %s WHERE id = %s"
    )
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="lot_audit_review_is_signed"):
        house.app.execute(release, (house.reviewer, house.signer, lot))
    house.release(lot)
    assert house.row(lot)[0] == "released"
    other = house.lot("R2", None)
    house.move("received", other, 1)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):  # another lot's signatures are no use
        house.app.execute(release, (house.reviewer, house.signer, other))


def test_a_release_waits_for_nonconformances(house: Warehouse) -> None:
    lot = house.lot("R", None)
    house.move("received", lot, 1)
    house.nonconformance(lot)
    with refused("lot_released_without_open_nonconformances"):
        house.release(lot)


def test_inputs_end_with_the_release(house: Warehouse) -> None:
    source, order = house.stock("R"), house.order()
    target = house.lot("L", order)
    house.move("produced", target, 1)
    house.release(target)
    with refused("movement_into_an_open_lot"):
        house.move("consumed", source, 1, target)
    with refused("movement_of_a_usable_lot"):
        house.move("produced", target, 1)


def test_material_moves_only_on_a_running_order(house: Warehouse) -> None:
    source, order = house.stock("R"), house.order(state="released")
    target = house.lot("L", order)
    for kind, lot, into in (("produced", target, None), ("consumed", source, target)):
        with refused("movement_of_a_running_order"):
            house.move(kind, lot, 1, into)
    planned = house.order("WO2", "planned")
    with refused("lot_of_an_order_at_work"):
        house.lot("L2", planned)


def test_an_order_makes_no_mass_out_of_nothing(house: Warehouse) -> None:
    source, order = house.stock("R", 2000, "g"), house.order()
    target = house.lot("L", order)
    house.move("produced", target, "1.5")
    house.move("consumed", source, 1400, target, "g")
    complete = "UPDATE mes.work_order SET state = 'completed' WHERE id = %s"
    with refused("work_order_mass_balance"):
        house.app.execute(complete, (order,))
    house.move("consumed", source, 100, target, "g")
    house.app.execute(complete, (order,))
    with refused("work_order_has_no_open_lots"):
        house.app.execute("UPDATE mes.work_order SET state = 'closed' WHERE id = %s", (order,))
    house.release(target)
    house.app.execute("UPDATE mes.work_order SET state = 'closed' WHERE id = %s", (order,))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE mes.lot SET on_hand = 5",
        "UPDATE mes.lot SET released_at = now()",
        "UPDATE mes.lot SET id = 'other'",
        "DELETE FROM mes.lot",
        "DELETE FROM mes.work_order",
        "UPDATE mes.material_movement SET quantity = 1",
        "DELETE FROM mes.material_movement",
        "TRUNCATE mes.material_movement",
        "INSERT INTO mes.material_movement (id, lot_version) VALUES ('x', 1)",
    ],
)
def test_the_application_may_not_rewrite(house: Warehouse, statement: str) -> None:
    house.stock("R")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        house.app.execute(statement.encode())


@pytest.mark.parametrize("table", ["lot", "work_order", "material_movement"])
def test_nobody_deletes(house: Warehouse, table: str) -> None:
    house.move("produced", house.lot("L", house.order()), 1)
    for statement in ("DELETE FROM {}", "TRUNCATE {} CASCADE"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            house.admin.execute(sql.SQL(statement).format(sql.Identifier("mes", table)))


def test_orders_move_in_the_database_as_in_the_service(house: Warehouse) -> None:
    """Every pair of states, each tried on a row that was put there past the triggers."""
    order = house.order()
    moved = set()
    for present in OrderState:
        for wanted in OrderState:
            began = present in {"running", "paused", "completed", "closed"}
            ended = present in {"completed", "closed"}
            with house.admin.transaction(force_rollback=True):
                house.admin.execute("SET LOCAL session_replication_role = replica")
                house.admin.execute(
                    "UPDATE mes.work_order SET state = %s, started_at = CASE WHEN %s THEN now() END,"
                    " ended_at = CASE WHEN %s THEN now() END WHERE id = %s",
                    (present, began, ended, order),
                )
                house.admin.execute("SET LOCAL session_replication_role = origin")
                try:
                    house.admin.execute("UPDATE mes.work_order SET state = %s WHERE id = %s", (wanted, order))
                except psycopg.errors.CheckViolation:
                    continue
                moved.add((present, wanted))
    assert moved - {(state, state) for state in OrderState} == {
        (present, wanted) for present, possible in ORDER_TABLE.items() for wanted in possible
    }


def test_lots_move_in_the_database_as_in_the_service(house: Warehouse) -> None:
    """Every pair of states, each with and without an earlier release, empty and full, held and not."""
    lot = house.stock("R")
    house = Warehouse(house.admin, house.admin, house.prefix, house.signer, house.reviewer)
    moved = set()
    for present in LotState:
        for wanted in LotState:
            for stock, held, released in ((s, h, r) for s in (0, 1) for h in (0, 1) for r in (0, 1)):
                with house.admin.transaction(force_rollback=True):
                    if _moves(house, lot, present, wanted, stock, bool(held), bool(released)):
                        moved.add((present, wanted))
    assert moved - {(state, state) for state in LotState} == {
        (present, wanted) for present, possible in LOT_TABLE.items() for wanted in possible
    }


def _moves(house: Warehouse, lot: str, present: str, wanted: str, stock: int, held: bool, released: bool) -> bool:
    signed = {"signed_version": 2, "reviewed_by": house.reviewer, "reviewer_role": "quality_manager"}
    signed["released_by"] = house.signer
    unsigned = dict.fromkeys(signed)
    signing = wanted == "released" and not released
    try:
        house.admin.execute("SET LOCAL session_replication_role = replica")
        since = {"released_at": "2026-01-05T00:00:00Z" if released else None}
        _set(
            house,
            lot,
            {"state": present, "on_hand": stock, "version": 2, **(signed if released else unsigned), **since},
        )
        if held:
            house.hold(lot)
        house.admin.execute("SET LOCAL session_replication_role = origin")
        _set(house, lot, {"state": wanted, **(signed if signing else {})})
    except psycopg.errors.CheckViolation:
        return False
    return True


def _set(house: Warehouse, lot: str, values: dict[str, object]) -> None:
    columns = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), value) for name, value in values.items()
    )
    house.admin.execute(sql.SQL("UPDATE mes.lot SET {} WHERE id = {}").format(columns, lot))


def at_once(postgres: servers.Postgres, ledger: str, works: list[Callable[[psycopg.Connection], object]]) -> list[str]:
    """Each in a thread and a connection of its own, all let go together: '' or the name of the rule that refused."""
    gate = threading.Barrier(len(works))

    def run(work: Callable[[psycopg.Connection], object]) -> str:
        with postgres.connect(ledger, "kojo_app") as connection:
            gate.wait()
            try:
                work(connection)
            except psycopg.errors.CheckViolation as error:
                return str(error.diag.constraint_name)
        return ""

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def test_many_at_once_consume_what_there_is(postgres: servers.Postgres, ledger: str, house: Warehouse) -> None:
    source, order = house.stock("R", 10), house.order()
    targets = [house.lot(f"L{number}", order) for number in range(8)]

    def taking(target: str) -> Callable[[psycopg.Connection], object]:
        return lambda app: house.elsewhere(app).move("consumed", source, 3, target)

    outcomes = at_once(postgres, ledger, [taking(target) for target in targets])
    assert sorted(outcomes) == [""] * 3 + ["lot_gives_no_more_than_it_has"] * 5
    assert house.row(source) == ("released", 1, 0)


def test_bookings_across_each_other_do_not_lock_each_other_out(
    postgres: servers.Postgres, ledger: str, house: Warehouse
) -> None:
    order = house.order()
    sources = [house.stock(f"R{number}", 100) for number in range(3)]
    targets = [house.lot(f"A{number}", order) for number in range(3)]  # sort before their sources

    def mixing(turn: int) -> Callable[[psycopg.Connection], object]:
        def work(app: psycopg.Connection) -> None:
            own = house.elsewhere(app)
            for step in range(9):
                own.move("consumed", sources[(turn + step) % 3], 1, targets[(turn * step) % 3])

        return work

    assert at_once(postgres, ledger, [mixing(turn) for turn in range(6)]) == [""] * 6
    assert sum(100 - house.row(source)[1] for source in sources) == 54


def test_a_hold_and_a_shipment_at_once_come_one_after_the_other(
    postgres: servers.Postgres, ledger: str, house: Warehouse
) -> None:
    lot = house.stock("R", 10)
    with postgres.connect(ledger, "kojo_app") as quality:
        quality.autocommit = False
        house.elsewhere(quality).hold(lot)
        with ThreadPoolExecutor(1) as pool:
            shipment = pool.submit(
                at_once,
                postgres,
                ledger,
                [lambda app: house.elsewhere(app).move("shipped", lot, 1)],
            )
            with pytest.raises(TimeoutError):
                shipment.result(WHILE)  # it waits for the hold's outcome
            quality.commit()
            assert shipment.result(PATIENCE) == ["movement_of_a_usable_lot"]
    assert house.row(lot) == ("on_hold", 10, 0)


def test_a_release_and_a_nonconformance_at_once_come_one_after_the_other(
    postgres: servers.Postgres, ledger: str, house: Warehouse
) -> None:
    lot = house.lot("R", None)
    house.move("received", lot, 1)
    with postgres.connect(ledger, "kojo_app") as quality:
        quality.autocommit = False
        house.elsewhere(quality).nonconformance(lot)
        with ThreadPoolExecutor(1) as pool:
            release = pool.submit(
                at_once,
                postgres,
                ledger,
                [lambda app: house.elsewhere(app).release(lot)],
            )
            with pytest.raises(TimeoutError):
                release.result(WHILE)
            quality.commit()
            assert release.result(PATIENCE) == ["lot_released_without_open_nonconformances"]


def test_an_order_is_not_closed_beside_a_new_lot(postgres: servers.Postgres, ledger: str, house: Warehouse) -> None:
    order = house.order(state="released")
    with postgres.connect(ledger, "kojo_app") as line:
        line.autocommit = False
        house.elsewhere(line).lot("L", order)
        with ThreadPoolExecutor(1) as pool:
            cancelling = pool.submit(
                at_once,
                postgres,
                ledger,
                [lambda app: app.execute("UPDATE mes.work_order SET state = 'cancelled' WHERE id = %s", (order,))],
            )
            with pytest.raises(TimeoutError):
                cancelling.result(WHILE)
            line.commit()
            assert cancelling.result(PATIENCE) == ["work_order_has_no_open_lots"]
