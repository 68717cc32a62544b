"""What an order used and made, from the sums of its movements."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from kojo_mes.kit.quantities import Unit
from kojo_mes.orders.schemas import MassBalance, MaterialSum, OrderBalance, OrderOut

KILOGRAMS = {Unit.KILOGRAM: Decimal(1), Unit.GRAM: Decimal("0.001"), Unit.TONNE: Decimal(1000)}


class Sum(NamedTuple):
    kind: str
    product: str
    unit: Unit
    quantity: Decimal


def balance(order: OrderOut, sums: Iterable[Sum]) -> OrderBalance:
    by_kind: dict[str, list[Sum]] = {"consumed": [], "produced": [], "scrapped": []}
    for item in sums:
        by_kind[item.kind].append(item)
    good = _of(order, by_kind["produced"]) - _of(order, by_kind["scrapped"])
    return OrderBalance(
        order=order.id,
        planned=order.quantity,
        unit=order.unit,
        good=good,
        remaining=max(order.quantity - good, Decimal(0)),
        mass=mass(by_kind["consumed"], by_kind["produced"]),
        **{kind: [MaterialSum.model_validate(item) for item in items] for kind, items in by_kind.items()},
    )


def mass(consumed: list[Sum], produced: list[Sum]) -> MassBalance | None:
    """Conservation of mass. None when nothing was made or used, or a part of it is not measured as a mass."""
    if not consumed + produced or any(item.unit not in KILOGRAMS for item in consumed + produced):
        return None
    used, made = (
        sum((item.quantity * KILOGRAMS[item.unit] for item in items), Decimal(0)) for items in (consumed, produced)
    )
    return MassBalance(consumed=used, produced=made, loss=used - made)


def _of(order: OrderOut, sums: list[Sum]) -> Decimal:
    return sum((item.quantity for item in sums if (item.product, item.unit) == (order.product, order.unit)), Decimal(0))
