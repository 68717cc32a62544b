"""Tables of the shift calendar."""

from __future__ import annotations

from datetime import date, datetime, time

from sqlalchemy import ARRAY, DateTime, ForeignKey, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base
from kojo_mes.lines.models import Line


class ShiftPattern(Base):
    __tablename__ = "shift_pattern"

    id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(ForeignKey(Line.id))
    name: Mapped[str]
    weekdays: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    starts: Mapped[time]
    ends: Mapped[time]
    first_day: Mapped[date]
    last_day: Mapped[date | None]  # none: the plant's page has it still
    source: Mapped[str] = mapped_column(default="person")
    planned_to: Mapped[date | None]  # of the plant's page: up to when its shifts are made


class ShiftClosure(Base):
    """Days without shifts, both ends included."""

    __tablename__ = "shift_closure"

    id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(ForeignKey(Line.id))
    first_day: Mapped[date]
    last_day: Mapped[date]
    reason: Mapped[str]


class Shift(Base):
    """One shift of one day. `exception` says why it isn't as a pattern has it: extra, moved or cancelled."""

    __tablename__ = "shift"

    id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(ForeignKey(Line.id))
    name: Mapped[str]
    day: Mapped[date]
    starts_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ends_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    pattern_id: Mapped[str | None] = mapped_column(ForeignKey(ShiftPattern.id))
    exception: Mapped[str | None]
    cancelled: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
