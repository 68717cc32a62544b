"""Tables of line states."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, FetchedValue, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base
from kojo_mes.kit.sources import RECORD
from kojo_mes.lines.models import Line
from kojo_mes.products.models import Product


class StateReason(Base):
    __tablename__ = "state_reason"

    state: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[dict[str, str]] = mapped_column(JSONB)


class LineState(Base):
    """A link of the line's time line; `previous_ended_at` ties it to the one before (migration 0006)."""

    __tablename__ = "line_state"

    id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(ForeignKey(Line.id))
    state: Mapped[str]
    reason: Mapped[str | None]
    product_id: Mapped[str | None] = mapped_column(ForeignKey(Product.id))
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    previous_ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=FetchedValue())
    source: Mapped[str] = mapped_column(default=RECORD)


class Reclassification(Base):
    __tablename__ = "line_state_reclassification"

    id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(ForeignKey(Line.id))
    from_time: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    to_time: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    state: Mapped[str | None]
    reason: Mapped[str | None]
    product_id: Mapped[str | None] = mapped_column(ForeignKey(Product.id))
    explanation: Mapped[str]
    reclassified_by: Mapped[str]
    reclassified_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=FetchedValue())


class SupersededState(Base):
    """What the time line said before a reclassification. The database itself puts it here."""

    __tablename__ = "line_state_superseded"

    id: Mapped[str] = mapped_column(primary_key=True)
    reclassification_id: Mapped[str] = mapped_column(ForeignKey(Reclassification.id))
    line_id: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str | None]
    product_id: Mapped[str | None]
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    source: Mapped[str]
