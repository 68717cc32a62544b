"""Change requests as the API shows them."""

from __future__ import annotations

from kojo_mes.changes.authority import Standing
from kojo_mes.changes.models import ChangeRequest
from kojo_mes.changes.record import content_of, record_digest
from kojo_mes.changes.schemas import Approver, Authorisation, BreakGlass, Change, UseOut


def change_of(standing: Standing) -> Change:
    row = standing.row
    return Change(
        id=row.id,
        version=row.version,
        revision=row.revision,
        state=standing.state,
        requester=row.requester_id,
        requester_name=row.requester_name,
        created_at=row.created_at,
        changed_at=row.changed_at,
        content=content_of(standing.content),
        record_digest=record_digest(row, standing.content).hex(),
        approvals=approvals_of(row),
        use=_use_of(row),
        break_glass=_break_glass_of(standing),
        closing_note=row.closing_note,
    )


def authorisation_of(standing: Standing, obstacles: list[str]) -> Authorisation:
    row = standing.row
    return Authorisation(
        change=row.id,
        authorised=not obstacles,
        basis=None if obstacles else standing.basis,
        reasons=obstacles,
        state=standing.state,
        version=row.version,
        revision=row.revision,
        until=None if obstacles else standing.until,
        during_production=standing.content.during_production,
        use=_use_of(row),
    )


def approvals_of(row: ChangeRequest) -> list[Approver]:
    given = ((row.first_approver, row.first_role), (row.second_approver, row.second_role))
    return [Approver.model_validate({"person": person, "role": role}) for person, role in given if person]


def _use_of(row: ChangeRequest) -> UseOut | None:
    if row.used_at is None:
        return None
    return UseOut.model_validate({"at": row.used_at, "by": row.used_by, "reference": row.used_for})


def _break_glass_of(standing: Standing) -> BreakGlass | None:
    row = standing.row
    if row.break_glass_by is None:
        return None
    return BreakGlass.model_validate(
        {
            "person": row.break_glass_by,
            "role": row.break_glass_role,
            "reason": row.break_glass_reason,
            "at": row.break_glass_at,
            "until": row.break_glass_until,
            "review": standing.review,
            "review_due_at": row.review_due_at,
            "reviewed_by": row.reviewed_by,
            "reviewed_at": row.reviewed_at,
            "conclusion": row.review_conclusion,
        }
    )
