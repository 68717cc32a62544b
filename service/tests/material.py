"""Material for tests: orders, lots and what is done with them, put into the database as the application's role may."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from people import somebody

from kojo_mes.kit.ids import new_id

LINE, PRODUCT = "line-1", "housing-100"
PREFIXES = itertools.count(1)


def add_products(admin: psycopg.Connection, *products: str) -> None:
    for product in products:
        admin.execute("INSERT INTO mes.product (id, name) VALUES (%s, '{}') ON CONFLICT DO NOTHING", (product,))


@dataclass
class Warehouse:
    """One test's own names in a database. `app` is kojo_app's connection, `admin` the superuser's, who signs."""

    app: psycopg.Connection
    admin: psycopg.Connection
    prefix: str = field(default_factory=lambda: f"X{next(PREFIXES)}-")

    signer: str = ""
    reviewer: str = ""

    def __post_init__(self) -> None:
        add_products(self.admin, PRODUCT)
        self.signer = self.signer or somebody(self.admin, "quality_manager").id
        self.reviewer = self.reviewer or somebody(self.admin, "quality_manager").id

    def begin_anew(self) -> None:
        """Other names, for the next example in the same database."""
        self.prefix = f"X{next(PREFIXES)}-"

    def order(self, name: str = "WO", state: str = "running", unit: str = "kg") -> str:
        order = self.prefix + name
        self.app.execute(
            "INSERT INTO mes.work_order (id, line_id, product_id, quantity, unit, due)"
            " VALUES (%s, %s, %s, 100, %s, now())",
            (order, LINE, PRODUCT, unit),
        )
        ways = {"planned": (), "released": ("released",), "running": ("released", "running")}
        for step in ways[state]:
            self.app.execute("UPDATE mes.work_order SET state = %s WHERE id = %s", (step, order))
        return order

    def lot(self, name: str, order: str | None, unit: str = "kg", kind: str = "lot") -> str:
        """Of an order, or else of a supplier."""
        lot = self.prefix + name
        supplier = None if order else "supplier"
        self.app.execute(
            "INSERT INTO mes.lot (id, kind, product_id, unit, work_order_id, supplier, supplier_lot)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (lot, kind, PRODUCT, unit, order, supplier, supplier),
        )
        return lot

    def move(
        self, kind: str, lot: str, quantity: object, into: str | None = None, unit: str = "kg", to: str = "Sato KK"
    ) -> None:
        shipped, scrapped = kind == "shipped", kind == "scrapped"
        self.app.execute(
            "INSERT INTO mes.material_movement (id, kind, lot_id, into_lot_id, quantity, unit, time, consignee,"
            " delivery, reason, recorded_by) VALUES (%s, %s, %s, %s, %s, %s, now(), %s, %s, %s, 'test')",
            (
                new_id(),
                kind,
                lot,
                into,
                Decimal(str(quantity)),
                unit,
                to if shipped else None,
                "D-1" if shipped else None,
                "burrs" if scrapped else None,
            ),
        )

    def release(self, lot: str) -> None:
        """With both signatures on the present version."""
        row = self.admin.execute("SELECT version FROM mes.lot WHERE id = %s", (lot,)).fetchone()
        assert row
        for meaning, signer in (("review", self.reviewer), ("release", self.signer)):
            sign(self.admin, signer, lot, row[0], meaning)
        self.app.execute(
            "UPDATE mes.lot SET state = 'released', signed_version = %s, reviewed_by = %s,"
            " reviewer_role = 'quality_manager', released_by = %s WHERE id = %s",
            (row[0], self.reviewer, self.signer, lot),
        )

    def stock(self, name: str, quantity: object = 10, unit: str = "kg") -> str:
        """A supplier's lot, released."""
        lot = self.lot(name, None, unit)
        self.move("received", lot, quantity, unit=unit)
        self.release(lot)
        return lot

    def hold(self, lot: str | None, serial: str | None = None) -> str:
        hold = new_id()
        self.app.execute(
            "INSERT INTO mes.hold (id, line_id, product_id, lot_id, serial, reason, placed_by)"
            " VALUES (%s, %s, %s, %s, %s, 'suspicion', 'test')",
            (hold, LINE, PRODUCT, lot, serial),
        )
        return hold

    def lift(self, hold: str) -> None:
        self.app.execute(
            "UPDATE mes.hold SET version = 2, released_by = 'test', released_at = now(), release_reason = 'unfounded'"
            " WHERE id = %s",
            (hold,),
        )

    def nonconformance(self, lot: str | None) -> str:
        number = new_id()
        self.app.execute(
            "INSERT INTO mes.nonconformance (id, version, state, source, description, line_id, product_id, lot_id,"
            " opened_by) VALUES (%s, 1, 'open', 'report', 'scratches', %s, %s, %s, 'test')",
            (number, LINE, PRODUCT, lot),
        )
        return number

    def close(self, nonconformance: str) -> None:
        """As after a disposition, whose signatures aren't of interest here."""
        with self.admin.transaction():
            self.admin.execute("SET LOCAL session_replication_role = replica")
            self.admin.execute(
                "UPDATE mes.nonconformance SET state = 'closed', disposition_version = 1, disposition = 'scrap',"
                " closing_note = 'n', closed_by = 'c', closed_at = now() WHERE id = %s",
                (nonconformance,),
            )

    def elsewhere(self, app: psycopg.Connection) -> Warehouse:
        """The same, through another connection."""
        return Warehouse(app, self.admin, self.prefix, self.signer, self.reviewer)

    def row(self, lot: str) -> tuple[str, Any, Any]:
        """State, on hand, shipped."""
        row = self.admin.execute("SELECT state, on_hand, shipped FROM mes.lot WHERE id = %s", (lot,)).fetchone()
        assert row
        return row[0], row[1], row[2]


def sign(admin: psycopg.Connection, signer: str, lot: str, version: int, meaning: str) -> None:
    """A signature as the database keeps it, past the service that takes passwords."""
    admin.execute(
        "INSERT INTO mes.signature (id, record_type, record_id, record_version, record_digest, meaning, signer_id,"
        " user_name, printed_name, role, signed_at, time_zone, authentication, clock_status, session_id, request_id)"
        " VALUES (%s, 'lot', %s, %s, sha256(''), %s, %s, 'signer', 'Signer', 'quality_manager', now(), 'UTC',"
        " 'password', 'unchecked', 's', 'r') ON CONFLICT DO NOTHING",
        (new_id(), lot, version, meaning, signer),
    )


@contextlib.contextmanager
def refused(constraint: str) -> Iterator[None]:
    """The database says no, by the rule of this name."""
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        yield
    assert caught.value.diag.constraint_name == constraint, caught.value
