"""Tables of corrective and preventive actions."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import DateTime, FetchedValue, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base

TIME = DateTime(timezone=True)


class CorrectiveAction(Base):
    __tablename__ = "corrective_action"

    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    state: Mapped[str]
    kind: Mapped[str]
    problem: Mapped[str]
    root_cause: Mapped[str]
    action: Mapped[str]
    criterion: Mapped[str]
    owner: Mapped[str]
    due_on: Mapped[date]
    opened_by: Mapped[str]
    opened_at: Mapped[datetime] = mapped_column(TIME, server_default=FetchedValue())
    implementation: Mapped[str | None]
    implemented_by: Mapped[str | None]
    implemented_at: Mapped[datetime | None] = mapped_column(TIME)
    verification_version: Mapped[int | None]
    closing_note: Mapped[str | None]
    closed_by: Mapped[str | None]
    closed_at: Mapped[datetime | None] = mapped_column(TIME)


class ActionNonconformance(Base):
    """Append-only."""

    __tablename__ = "corrective_action_nonconformance"

    action_id: Mapped[str] = mapped_column(ForeignKey(CorrectiveAction.id), primary_key=True)
    nonconformance_id: Mapped[str] = mapped_column(primary_key=True)


class EffectivenessVerification(Base):
    """Append-only; `version` is the action's that it led to."""

    __tablename__ = "effectiveness_verification"

    action_id: Mapped[str] = mapped_column(ForeignKey(CorrectiveAction.id), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    effective: Mapped[bool]
    evidence: Mapped[str]
    implemented_by: Mapped[str]
    verified_by: Mapped[str]
    verified_at: Mapped[datetime] = mapped_column(TIME, server_default=FetchedValue())
