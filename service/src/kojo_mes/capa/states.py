"""How corrective and preventive actions move. Data; migration 0007 holds the same as constraints."""

from __future__ import annotations

from enum import StrEnum

from kojo_mes.kit.states import Transitions


class ActionState(StrEnum):
    OPEN = "open"
    IMPLEMENTED = "implemented"
    VERIFIED = "verified"  # found effective, by another than who implemented it
    CLOSED = "closed"


S = ActionState
TRANSITIONS = Transitions(
    {
        S.OPEN: frozenset({S.IMPLEMENTED}),
        S.IMPLEMENTED: frozenset({S.VERIFIED, S.OPEN}),  # not effective: open again
        S.VERIFIED: frozenset({S.CLOSED}),
        S.CLOSED: frozenset(),
    }
)
