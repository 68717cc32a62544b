"""The life of a change request, as data. The database holds the same table (migration 0005)."""

from __future__ import annotations

from kojo_mes.changes.schemas import ChangeState
from kojo_mes.identity.roles import JobRole
from kojo_mes.kit.states import Transitions

S = ChangeState

TABLE: dict[ChangeState, frozenset[ChangeState]] = {
    S.DRAFT: frozenset({S.SUBMITTED, S.WITHDRAWN, S.EXPIRED, S.USED}),
    S.SUBMITTED: frozenset({S.DRAFT, S.APPROVED, S.REJECTED, S.EXPIRED, S.WITHDRAWN, S.USED}),
    S.APPROVED: frozenset({S.DRAFT, S.EXPIRED, S.WITHDRAWN, S.USED}),
    S.REJECTED: frozenset(),
    S.EXPIRED: frozenset(),
    S.WITHDRAWN: frozenset(),
    S.USED: frozenset({S.CLOSED}),
    S.CLOSED: frozenset(),
}
TRANSITIONS = Transitions(TABLE)
EDITABLE = frozenset({S.DRAFT, S.SUBMITTED, S.APPROVED})
OPEN = frozenset({S.DRAFT, S.SUBMITTED, S.APPROVED})
APPROVER_ROLES = frozenset({JobRole.MANUFACTURING_LEAD, JobRole.DEVOPS_LEAD, JobRole.QUALITY_MANAGER})
