"""Lots and serials: registered under numbers that are never used again, and shown."""

from __future__ import annotations

from decimal import Decimal
from http import HTTPStatus

from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.writes import Denied
from kojo_mes.orders import repository as orders
from kojo_mes.orders.states import AT_WORK
from kojo_mes.traceability import record, repository
from kojo_mes.traceability.models import Lot
from kojo_mes.traceability.schemas import LotBalance, LotIn, LotOut, MovementOut
from kojo_mes.traceability.states import LotState, MovementKind

INFLOW = frozenset({MovementKind.RECEIVED, MovementKind.PRODUCED})


async def register(session: WriteSession, actor: Actor, wanted: LotIn) -> LotOut:
    ref = RecordRef(record.TYPE, wanted.id)
    if not await orders.product_exists(session, wanted.product):
        raise invalid([Fault(place="body", field="product", detail=f"{wanted.product} is not a product of this plant")])
    if wanted.order is not None:
        order = await orders.share(session, wanted.order)
        if order is None:
            raise invalid([Fault(place="body", field="order", detail=f"there is no work order {wanted.order}")])
        if order.state not in AT_WORK:
            title = f"Work order {order.id} is {order.state}: no lot is made for it"
            raise Denied(ref, "register", title, kind="order-not-at-work")
    values = wanted.model_dump(exclude={"product", "order"})
    row = await repository.add(session, {**values, "product_id": wanted.product, "work_order_id": wanted.order})
    if row is None:
        title = f"The number {wanted.id} is taken"
        raise Denied(ref, "register", title, "Numbers are never used again.", kind="id-taken")
    lot = LotOut.model_validate(row)
    await audit.record(session, actor, "traceability:register", record.reference(row), new=values_of(lot))
    return lot


async def read(session: ReadSession, lot_id: str) -> LotOut:
    return LotOut.model_validate(await known(session, lot_id))


async def page(
    session: ReadSession,
    state: LotState | None,
    product: str | None,
    order: str | None,
    after: str | None,
    limit: int,
) -> Page[LotOut]:
    rows = await repository.page(session, state, product, order, after, limit + 1)
    return page_of(rows, limit, LotOut.model_validate, lambda row: (row.id,))


async def movements(session: ReadSession, lot_id: str, after: str | None, limit: int) -> Page[MovementOut]:
    await known(session, lot_id)
    rows = await repository.movements(session, lot_id, after, limit + 1)
    return page_of(rows, limit, MovementOut.model_validate, lambda row: (row.id,))


async def balance(session: ReadSession, lot_id: str) -> LotBalance:
    """Added up from the movements, not read from the lot's row."""
    lot = await known(session, lot_id)
    found = await repository.balance(session, lot_id)
    sums = {kind: found.get(kind, Decimal(0)) for kind in MovementKind}
    on_hand = sum((quantity if kind in INFLOW else -quantity for kind, quantity in sums.items()), Decimal(0))
    return LotBalance.model_validate({"lot": lot.id, "unit": lot.unit, "on_hand": on_hand, **sums})


async def known(session: ReadSession, lot_id: str) -> Lot:
    lot = await repository.find(session, lot_id)
    if lot is None:
        raise unknown(lot_id)
    return lot


def unknown(lot_id: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "unknown-lot", f"There is no lot or serial {lot_id}")


def values_of(lot: LotOut) -> dict[str, object]:
    """For the audit trail."""
    return lot.model_dump(mode="json")
