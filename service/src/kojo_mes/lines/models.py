"""Tables of lines, equipment and sensors."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, Identity
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base


class Line(Base):
    __tablename__ = "line"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[dict[str, str]] = mapped_column(JSONB)
    product: Mapped[str]
    ideal_cycle_time: Mapped[float]
    position: Mapped[int]
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Equipment(Base):
    __tablename__ = "equipment"

    id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(ForeignKey(Line.id))
    name: Mapped[dict[str, str]] = mapped_column(JSONB)
    type: Mapped[str]
    temperature_limit: Mapped[float]
    position: Mapped[int]
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Sensor(Base):
    __tablename__ = "sensor"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    equipment_id: Mapped[str] = mapped_column(ForeignKey(Equipment.id))
    measurement: Mapped[str]
