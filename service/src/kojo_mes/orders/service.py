"""Work orders: planned, dispatched, executed, closed."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.kit.quantities import Unit
from kojo_mes.kit.security import Actor
from kojo_mes.kit.versions import require
from kojo_mes.kit.writes import Denied
from kojo_mes.orders import repository
from kojo_mes.orders.balance import Sum, balance
from kojo_mes.orders.models import WorkOrder
from kojo_mes.orders.schemas import OrderBalance, OrderContent, OrderIn, OrderOut
from kojo_mes.orders.states import FINAL, TRANSITIONS, OrderState

RECORD = "work-order"
NAMED_LOTS = 10


def unknown(order: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "unknown-order", f"There is no work order {order}")


async def plan(session: WriteSession, actor: Actor, wanted: OrderIn) -> OrderOut:
    await _refuse_unknown(session, wanted)
    row = await repository.add(session, {"id": wanted.id, **_columns(wanted)})
    if row is None:
        ref = RecordRef(RECORD, wanted.id)
        raise Denied(
            ref, "planned", f"The number {wanted.id} is taken", "Numbers are never used again.", kind="id-taken"
        )
    order = OrderOut.model_validate(row)
    await audit.record(session, actor, "orders:plan", _ref(order), new=_values(order))
    return order


async def replan(session: WriteSession, actor: Actor, order_id: str, version: int, wanted: OrderContent) -> OrderOut:
    present = await _locked(session, order_id, version)
    if present.state is not OrderState.PLANNED:
        title = f"Work order {order_id} is {present.state}; it changes only while it is planned"
        raise Denied(_ref(present), "change", title, kind="order-fixed")
    await _refuse_unknown(session, wanted)
    return await _change(session, actor, "orders:replan", present, _columns(wanted))


async def move(
    session: WriteSession, actor: Actor, order_id: str, version: int, wanted: OrderState, reason: str | None
) -> OrderOut:
    present = await _locked(session, order_id, version)
    ref = _ref(present)
    TRANSITIONS.check(ref, present.state, wanted)
    if wanted in FINAL and (lots := await repository.open_lots(session, order_id, NAMED_LOTS)):
        title = f"Work order {order_id} has lots that are neither released nor scrapped"
        raise Denied(ref, wanted, title, f"First of them: {', '.join(lots)}.", kind="open-lots")
    if wanted is OrderState.COMPLETED:
        mass = (await _balance(session, present)).mass
        if mass is not None and mass.loss < 0:
            title = f"Work order {order_id} made {mass.produced:f} kg out of {mass.consumed:f} kg"
            raise Denied(ref, wanted, title, "Book what else it consumed.", kind="mass-balance")
    return await _change(session, actor, f"orders:{wanted}", present, {"state": wanted}, reason)


async def read(session: ReadSession, order_id: str) -> OrderOut:
    return _known(await repository.find(session, order_id), order_id)


async def page(
    session: ReadSession, state: OrderState | None, line: str | None, after: str | None, limit: int
) -> Page[OrderOut]:
    rows = await repository.page(session, state, line, after, limit + 1)
    return page_of(rows, limit, OrderOut.model_validate, lambda row: (row.id,))


async def balance_of(session: ReadSession, order_id: str) -> OrderBalance:
    return await _balance(session, await read(session, order_id))


async def _balance(session: ReadSession, order: OrderOut) -> OrderBalance:
    rows = await repository.material(session, order.id)
    return balance(order, (Sum(row.kind, row.product_id, Unit(row.unit), row.quantity) for row in rows))


async def _locked(session: WriteSession, order_id: str, version: int) -> OrderOut:
    order = _known(await repository.lock(session, order_id), order_id)
    require(order.version, version)
    return order


async def _change(
    session: WriteSession,
    actor: Actor,
    action: str,
    present: OrderOut,
    values: Mapping[str, object],
    reason: str | None = None,
) -> OrderOut:
    order = OrderOut.model_validate(await repository.change(session, present.id, values))
    await audit.record(session, actor, action, _ref(order), old=_values(present), new=_values(order), reason=reason)
    return order


async def _refuse_unknown(session: ReadSession, content: OrderContent) -> None:
    faults = []
    if not await repository.line_exists(session, content.line):
        faults.append(Fault(place="body", field="line", detail=f"{content.line} is not a line of this plant"))
    if not await repository.product_exists(session, content.product):
        faults.append(Fault(place="body", field="product", detail=f"{content.product} is not a product of this plant"))
    if faults:
        raise invalid(faults)


def _known(row: WorkOrder | None, order_id: str) -> OrderOut:
    if row is None:
        raise unknown(order_id)
    return OrderOut.model_validate(row)


def _columns(content: OrderContent) -> dict[str, object]:
    values = content.model_dump(include={"unit", "quantity", "due"})
    return {"line_id": content.line, "product_id": content.product, **values}


def _ref(order: OrderOut) -> RecordRef:
    return RecordRef(RECORD, order.id, order.version)


def _values(order: OrderOut) -> dict[str, object]:
    return order.model_dump(mode="json")
