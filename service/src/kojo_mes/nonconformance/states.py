"""How nonconformances move, and who may dispose of them. Data; migration 0007 holds the same as constraints."""

from __future__ import annotations

from enum import StrEnum

from kojo_mes.kit.security import Permission
from kojo_mes.kit.states import Transitions


class NonconformanceState(StrEnum):
    OPEN = "open"
    UNDER_REVIEW = "under_review"
    DISPOSITIONED = "dispositioned"
    CLOSED = "closed"


class Disposition(StrEnum):
    """ISO 9001 8.7.1: acceptance under concession, correction, segregation for good, return."""

    USE_AS_IS = "use-as-is"
    REWORK = "rework"
    SCRAP = "scrap"
    RETURN = "return"


N = NonconformanceState
TRANSITIONS = Transitions(
    {
        N.OPEN: frozenset({N.UNDER_REVIEW}),
        N.UNDER_REVIEW: frozenset({N.DISPOSITIONED}),
        # a disposition that doesn't do is reviewed again
        N.DISPOSITIONED: frozenset({N.UNDER_REVIEW, N.CLOSED}),
        N.CLOSED: frozenset(),
    }
)
UNDECIDED = frozenset({N.OPEN, N.UNDER_REVIEW})
# who has them: identity/matrix.py
AUTHORITY = {
    Disposition.USE_AS_IS: Permission.NONCONFORMANCES_CONCEDE,
    Disposition.REWORK: Permission.NONCONFORMANCES_REWORK,
    Disposition.SCRAP: Permission.NONCONFORMANCES_SCRAP,
    Disposition.RETURN: Permission.NONCONFORMANCES_RETURN,
}
# what they leave is not the plant's to use: its lot or serial stays held
FINAL = frozenset({Disposition.SCRAP, Disposition.RETURN})
