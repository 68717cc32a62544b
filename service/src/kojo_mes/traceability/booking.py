"""What is done with a lot's material: received, produced, consumed, shipped, scrapped.

What is used up or sent away has to be usable now and at the time that is told: a late entry doesn't get round a hold
or a release. Locks go order first, then lots by id. The checks here give reasons; the database's triggers and
constraints (migrations 0008 and 0022) hold without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from kojo_mes.kit import audit, late_entries
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.clock import now
from kojo_mes.kit.database import WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.problems import Fault, invalid
from kojo_mes.kit.quantities import plain
from kojo_mes.kit.security import Actor
from kojo_mes.kit.writes import Denied
from kojo_mes.orders import repository as orders
from kojo_mes.orders.states import OrderState
from kojo_mes.traceability import record, repository
from kojo_mes.traceability.models import Lot, MaterialMovement
from kojo_mes.traceability.schemas import Booked, Booking, ConsumptionIn, EndIn, LotOut, MovementOut
from kojo_mes.traceability.service import INFLOW, known, values_of
from kojo_mes.traceability.states import MOVABLE, OPEN, TRANSITIONS, LotKind, LotState, MovementKind

Details = Mapping[str, str | None]
USED = frozenset({MovementKind.CONSUMED, MovementKind.SHIPPED})


async def book(
    session: WriteSession,
    actor: Actor,
    lot_id: str,
    kind: MovementKind,
    booking: Booking,
    details: Details | None = None,
) -> Booked:
    """A movement of one lot alone. `details`: consignee and delivery, or reason."""
    await _refuse_time(session, booking.time, booking.late_entry_reason)
    if kind is MovementKind.PRODUCED:
        await _of_running_order(session, await known(session, lot_id), kind)
    lot = await _locked(session, lot_id)
    _refuse_unit("unit", lot, booking.unit)
    await _refuse_state(session, lot, kind, booking.time)
    if kind is MovementKind.RECEIVED and lot.supplier is None:
        raise _denied(lot, kind, f"Lot {lot.id} is made here, not received", "not-received")
    _refuse_amount(lot, kind, booking.quantity)
    told = {**(details or {}), late_entries.FIELD: booking.late_entry_reason}
    movement = await _store(session, actor, lot, kind, booking.quantity, booking.time, told)
    return await _booked(session, [movement], lot_id)


async def consume(session: WriteSession, actor: Actor, target_id: str, wanted: ConsumptionIn) -> Booked:
    """All inputs into a lot, or none."""
    kind = MovementKind.CONSUMED
    await _refuse_time(session, wanted.time, wanted.late_entry_reason)
    await _of_running_order(session, await known(session, target_id), kind)
    lots = await repository.lock(session, {target_id, *(item.lot for item in wanted.inputs)})
    target = lots[target_id]
    if target.state not in OPEN:
        raise _denied(target, "consume into", f"Lot {target.id} is {target.state}: it takes nothing in", "lot-not-open")
    _refuse_unknown_inputs(lots, (item.lot for item in wanted.inputs))
    for index, item in enumerate(wanted.inputs):
        lot = lots[item.lot]
        _refuse_unit("unit", lot, item.unit, index)
        await _refuse_state(session, lot, kind, wanted.time)
        _refuse_amount(lot, kind, item.quantity)
    details = {"into_lot_id": target_id, late_entries.FIELD: wanted.late_entry_reason}
    movements = [
        await _store(session, actor, lots[item.lot], kind, item.quantity, wanted.time, details)
        for item in wanted.inputs
    ]
    booked = await _booked(session, movements, target_id)
    inputs = {"inputs": [movement.model_dump(mode="json") for movement in booked.movements]}
    row = await known(session, target_id)
    ref, reason = record.reference(row), wanted.late_entry_reason
    await audit.record(session, actor, "traceability:consume-into", ref, new=inputs, reason=reason)
    return booked


async def end(session: WriteSession, actor: Actor, lot_id: str, wanted: EndIn) -> Booked:
    """Scraps all that there is of a lot, and the lot."""
    await _refuse_time(session, wanted.time, wanted.late_entry_reason)
    lot = await _locked(session, lot_id)
    old = LotOut.model_validate(lot)
    TRANSITIONS.check(record.reference(lot), LotState(lot.state), LotState.SCRAPPED)
    movements = []
    if lot.on_hand > 0:
        details = {"reason": wanted.reason, late_entries.FIELD: wanted.late_entry_reason}
        movements.append(await _store(session, actor, lot, MovementKind.SCRAPPED, lot.on_hand, wanted.time, details))
    lot = (await repository.lock(session, [lot_id]))[lot_id]
    if lot.state != LotState.SCRAPPED:
        lot = await repository.change(session, lot_id, {"state": LotState.SCRAPPED})
    ended = LotOut.model_validate(lot)
    await audit.record(
        session,
        actor,
        "traceability:end",
        record.reference(lot),
        old=values_of(old),
        new=values_of(ended),
        reason=wanted.reason,
    )
    return await _booked(session, movements, lot_id)


async def _locked(session: WriteSession, lot_id: str) -> Lot:
    await known(session, lot_id)
    return (await repository.lock(session, [lot_id]))[lot_id]


async def _of_running_order(session: WriteSession, lot: Lot, kind: MovementKind) -> None:
    order = await orders.share(session, lot.work_order_id) if lot.work_order_id else None
    if order is None:
        raise _denied(lot, kind, f"Lot {lot.id} was received, it is not made here", "not-made-here")
    if order.state != OrderState.RUNNING:
        raise _denied(
            lot, kind, f"Work order {order.id} of lot {lot.id} is {order.state}, not running", "order-not-running"
        )


async def _refuse_state(session: WriteSession, lot: Lot, kind: MovementKind, time: datetime) -> None:
    if lot.state in MOVABLE[kind]:
        if kind in USED:
            await _refuse_state_then(session, lot, kind, time)
        return
    title = f"Lot {lot.id} is {lot.state}: it can't be {kind}"
    if lot.state == LotState.ON_HOLD:
        holds = await repository.active_holds(session, lot.id)
        raise _denied(lot, kind, title, "lot-on-hold", "; ".join(f"hold {row.id}: {row.reason}" for row in holds))
    raise _denied(lot, kind, title, "lot-not-usable", f"Possible while it is {' or '.join(sorted(MOVABLE[kind]))}.")


async def _refuse_state_then(session: WriteSession, lot: Lot, kind: MovementKind, time: datetime) -> None:
    then = f"Lot {lot.id} could not be {kind} at {time.isoformat()}"
    if lot.released_at is not None and lot.released_at > time + late_entries.CLOCK_TOLERANCE:
        detail = f"It was released at {lot.released_at.isoformat()}. Correct the time."
        raise _denied(lot, kind, then, "lot-not-usable-then", detail)
    if holds := await repository.past_holds(session, lot.id, time):
        detail = "; ".join(f"hold {row.id}: {row.reason}" for row in holds)
        raise _denied(lot, kind, then, "lot-on-hold-then", f"{detail}. Correct the time, or report a nonconformance.")


def _refuse_amount(lot: Lot, kind: MovementKind, quantity: Decimal) -> None:
    if kind in INFLOW:
        if lot.kind == LotKind.SERIAL and lot.on_hand + quantity > 1:
            raise _denied(lot, kind, f"Serial {lot.id} is one piece", "serial-is-one-piece")
    elif quantity > lot.on_hand:
        title = f"Lot {lot.id} has {plain(lot.on_hand)} {lot.unit}, not {plain(quantity)}"
        raise _denied(lot, kind, title, "not-enough")


def _refuse_unit(field: str, lot: Lot, unit: str, index: int | None = None) -> None:
    if unit != lot.unit:
        detail = f"lot {lot.id} is measured in {lot.unit}, not in {unit}"
        raise invalid([Fault(place="body", index=index, field=field, detail=detail)])


def _refuse_unknown_inputs(lots: Mapping[str, Lot], inputs: Iterable[str]) -> None:
    unknown = [
        Fault(place="body", index=index, field="lot", detail=f"there is no lot or serial {lot}")
        for index, lot in enumerate(inputs)
        if lot not in lots
    ]
    if unknown:
        raise invalid(unknown)


async def _refuse_time(session: WriteSession, time: datetime, reason: str | None) -> None:
    if faults := late_entries.faults(session, await now(session), time, reason, field="time"):
        raise invalid(faults)


def _denied(lot: Lot, wanted: str, title: str, kind: str, detail: str | None = None) -> Denied:
    return Denied(record.reference(lot), wanted, title, detail, kind=kind)


async def _store(
    session: WriteSession,
    actor: Actor,
    lot: Lot,
    kind: MovementKind,
    quantity: Decimal,
    time: datetime,
    details: Details,
) -> MaterialMovement:
    values = {"id": new_id(), "kind": kind, "lot_id": lot.id, "unit": lot.unit, "quantity": quantity, "time": time}
    row = await repository.move(session, {**values, "recorded_by": actor.id, **details})
    after = RecordRef(record.TYPE, lot.id, row.lot_version)
    new = MovementOut.model_validate(row).model_dump(mode="json")
    await audit.record(session, actor, f"traceability:{kind}", after, new=new, reason=_why(details))
    return row


def _why(details: Details) -> str | None:
    """Of a scrapping, of a late entry, or of both."""
    return "; ".join(filter(None, (details.get("reason"), details.get(late_entries.FIELD)))) or None


async def _booked(session: WriteSession, movements: Iterable[MaterialMovement], lot_id: str) -> Booked:
    lot = (await repository.lock(session, [lot_id]))[lot_id]
    return Booked(movements=[MovementOut.model_validate(row) for row in movements], lot=LotOut.model_validate(lot))
