"""The life of a work order. Migration 0008 enforces the same table; tests hold the two against each other."""

from __future__ import annotations

from enum import StrEnum

from kojo_mes.kit.states import Transitions


class OrderState(StrEnum):
    PLANNED = "planned"
    RELEASED = "released"  # to its line: lots may be made for it
    RUNNING = "running"  # material may be consumed and produced
    PAUSED = "paused"
    COMPLETED = "completed"
    CLOSED = "closed"  # every lot of it is released or scrapped
    CANCELLED = "cancelled"  # only before it ran: an order that ran is completed, so that its material is accounted for


TABLE = {
    OrderState.PLANNED: frozenset({OrderState.RELEASED, OrderState.CANCELLED}),
    OrderState.RELEASED: frozenset({OrderState.RUNNING, OrderState.CANCELLED}),
    OrderState.RUNNING: frozenset({OrderState.PAUSED, OrderState.COMPLETED}),
    OrderState.PAUSED: frozenset({OrderState.RUNNING, OrderState.COMPLETED}),
    OrderState.COMPLETED: frozenset({OrderState.CLOSED}),
    OrderState.CLOSED: frozenset[OrderState](),
    OrderState.CANCELLED: frozenset[OrderState](),
}
TRANSITIONS = Transitions(TABLE)
AT_WORK = frozenset({OrderState.RELEASED, OrderState.RUNNING})
FINAL = frozenset({OrderState.CLOSED, OrderState.CANCELLED})


class Dispatch(StrEnum):
    """Where those who plan may bring an order (ISA-95 part 3, production dispatching)."""

    RELEASED = "released"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class Execution(StrEnum):
    """Where those at the line may bring it (production execution management)."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
