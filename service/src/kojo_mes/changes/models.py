"""Tables of change requests."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base


class ChangeRequest(Base):
    """Where a change stands; migration 0005 holds its rules."""

    __tablename__ = "change_request"

    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    revision: Mapped[int]
    state: Mapped[str]
    requester_id: Mapped[str]
    requester_name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    first_approver: Mapped[str | None]
    first_role: Mapped[str | None]
    second_approver: Mapped[str | None]
    second_role: Mapped[str | None]
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    used_by: Mapped[str | None]
    used_for: Mapped[str | None]
    break_glass_by: Mapped[str | None]
    break_glass_role: Mapped[str | None]
    break_glass_reason: Mapped[str | None]
    break_glass_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    break_glass_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    review_due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    reviewed_by: Mapped[str | None]
    reviewer_role: Mapped[str | None]
    reviewed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    review_conclusion: Mapped[str | None]
    closing_note: Mapped[str | None]


class ChangeRevision(Base):
    """The content of a change request, a row a revision, append-only."""

    __tablename__ = "change_revision"

    change_id: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str]
    why: Mapped[str]
    impact: Mapped[str]
    rollback_plan: Mapped[str]
    artefact_digest: Mapped[str]
    plant: Mapped[str]
    window_start: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    window_end: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    during_production: Mapped[bool]
    written_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
