"""Tables of lines, equipment and sensors."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, Identity
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base


class Site(Base):
    """The plant: a database holds one."""

    __tablename__ = "site"

    id: Mapped[str] = mapped_column(primary_key=True)
    only_one: Mapped[bool] = mapped_column(default=True)
    enterprise: Mapped[str | None]
    name: Mapped[dict[str, str]] = mapped_column(JSONB)
    timezone: Mapped[str]


class Area(Base):
    __tablename__ = "area"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[dict[str, str]] = mapped_column(JSONB)
    position: Mapped[int]
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Line(Base):
    __tablename__ = "line"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[dict[str, str]] = mapped_column(JSONB)
    product: Mapped[str]
    ideal_cycle_time: Mapped[float]
    area_id: Mapped[str | None] = mapped_column(ForeignKey(Area.id))
    micro_stop_limit: Mapped[float]
    position: Mapped[int]
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class WorkCell(Base):
    __tablename__ = "work_cell"

    id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(ForeignKey(Line.id))
    name: Mapped[dict[str, str]] = mapped_column(JSONB)
    position: Mapped[int]
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Equipment(Base):
    __tablename__ = "equipment"

    id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(ForeignKey(Line.id))
    work_cell_id: Mapped[str | None] = mapped_column(ForeignKey(WorkCell.id))
    name: Mapped[dict[str, str]] = mapped_column(JSONB)
    type: Mapped[str]
    temperature_limit: Mapped[float]
    counter_limit: Mapped[int | None]  # of counters that are totals
    position: Mapped[int]
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Sensor(Base):
    __tablename__ = "sensor"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    equipment_id: Mapped[str] = mapped_column(ForeignKey(Equipment.id))
    measurement: Mapped[str]
    low: Mapped[float | None]  # in its unit; a value beyond is uncertain
    high: Mapped[float | None]
