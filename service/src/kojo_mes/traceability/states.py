"""The life of a lot or serial. Migration 0008 enforces the same table; tests hold the two against each other."""

from __future__ import annotations

from enum import StrEnum

from kojo_mes.identity.roles import JobRole
from kojo_mes.kit.states import Transitions


class LotState(StrEnum):
    CREATED = "created"  # a number; nothing was received or made under it yet
    IN_PROCESS = "in_process"  # being made, or under incoming inspection
    ON_HOLD = "on_hold"  # as long as quality has a hold on it; then back to where it was
    RELEASED = "released"  # signed; takes nothing in any more, may be consumed and shipped
    CONSUMED = "consumed"
    SHIPPED = "shipped"
    SCRAPPED = "scrapped"


class LotKind(StrEnum):
    LOT = "lot"
    SERIAL = "serial"  # one piece with a number of its own


class MovementKind(StrEnum):
    """ISA-95 part 4: material actuals."""

    RECEIVED = "received"
    PRODUCED = "produced"
    CONSUMED = "consumed"
    SHIPPED = "shipped"
    SCRAPPED = "scrapped"


S = LotState
TABLE = {
    S.CREATED: frozenset({S.IN_PROCESS, S.ON_HOLD, S.SCRAPPED}),
    S.IN_PROCESS: frozenset({S.ON_HOLD, S.RELEASED, S.SCRAPPED}),
    S.ON_HOLD: frozenset({S.IN_PROCESS, S.RELEASED, S.SCRAPPED}),
    S.RELEASED: frozenset({S.ON_HOLD, S.CONSUMED, S.SHIPPED, S.SCRAPPED}),
    S.CONSUMED: frozenset[LotState](),
    S.SHIPPED: frozenset[LotState](),
    S.SCRAPPED: frozenset[LotState](),
}
TRANSITIONS = Transitions(TABLE)
OPEN = frozenset({S.CREATED, S.IN_PROCESS})  # takes in

# in which of its states a lot's material may move so
MOVABLE = {
    MovementKind.RECEIVED: OPEN,
    MovementKind.PRODUCED: OPEN,
    MovementKind.CONSUMED: frozenset({S.RELEASED}),
    MovementKind.SHIPPED: frozenset({S.RELEASED}),
    MovementKind.SCRAPPED: OPEN | {S.ON_HOLD, S.RELEASED},
}
REVIEWERS = frozenset({JobRole.QUALITY_INSPECTOR, JobRole.QUALITY_MANAGER})
RELEASERS = frozenset({JobRole.QUALITY_MANAGER})
