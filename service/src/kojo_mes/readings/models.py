"""Tables of readings and of what is kept about batches."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base
from kojo_mes.lines.models import Sensor


class Reading(Base):
    """Partitioned by month of `time`; the same sensor at the same time is the same reading."""

    __tablename__ = "reading"

    sensor_id: Mapped[int] = mapped_column(ForeignKey(Sensor.id), primary_key=True)
    time: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    value: Mapped[float]
    quality: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    sender_id: Mapped[int | None]  # the last two: of readings since migration 0023
    batch_id: Mapped[int | None]


class Sender(Base):
    """Who sent readings: a device, or a key of the settings."""

    __tablename__ = "reading_sender"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    actor_id: Mapped[str]
    name: Mapped[str]
