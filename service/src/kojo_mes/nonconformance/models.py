"""Tables of nonconformances, dispositions, signals and holds."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, FetchedValue, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base

TIME = DateTime(timezone=True)


class Nonconformance(Base):
    __tablename__ = "nonconformance"

    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    state: Mapped[str]
    source: Mapped[str]
    description: Mapped[str]
    line_id: Mapped[str]
    product_id: Mapped[str]
    lot_id: Mapped[str | None]
    serial: Mapped[str | None]
    characteristic_id: Mapped[str | None]
    opened_by: Mapped[str]
    opened_at: Mapped[datetime] = mapped_column(TIME, server_default=FetchedValue())
    disposition_version: Mapped[int | None]
    disposition: Mapped[str | None]
    verification_check_id: Mapped[str | None]
    closing_note: Mapped[str | None]
    closed_by: Mapped[str | None]
    closed_at: Mapped[datetime | None] = mapped_column(TIME)


class DispositionRow(Base):
    """Append-only; `version` is the nonconformance's, as it was signed."""

    __tablename__ = "disposition"

    nonconformance_id: Mapped[str] = mapped_column(ForeignKey(Nonconformance.id), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    disposition: Mapped[str]
    justification: Mapped[str]
    concession: Mapped[str | None]
    decided_by: Mapped[str]
    decided_role: Mapped[str]
    decided_at: Mapped[datetime] = mapped_column(TIME, server_default=FetchedValue())


class SignalRow(Base):
    """Append-only."""

    __tablename__ = "quality_signal"

    check_id: Mapped[str] = mapped_column(primary_key=True)
    rule: Mapped[str] = mapped_column(primary_key=True)
    nonconformance_id: Mapped[str] = mapped_column(ForeignKey(Nonconformance.id))


class Hold(Base):
    __tablename__ = "hold"

    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(server_default=FetchedValue())
    nonconformance_id: Mapped[str | None] = mapped_column(ForeignKey(Nonconformance.id))
    line_id: Mapped[str]
    product_id: Mapped[str]
    lot_id: Mapped[str | None]
    serial: Mapped[str | None]
    reason: Mapped[str]
    placed_by: Mapped[str]
    placed_at: Mapped[datetime] = mapped_column(TIME, server_default=FetchedValue())
    released_by: Mapped[str | None]
    released_at: Mapped[datetime | None] = mapped_column(TIME)
    release_reason: Mapped[str | None]
