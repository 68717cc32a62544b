"""Tables of gauges and their calibrations."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import DateTime, FetchedValue, ForeignKey
from sqlalchemy.dialects.postgresql import TSTZRANGE
from sqlalchemy.dialects.postgresql.ranges import Range
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base

TIME = DateTime(timezone=True)


class Gauge(Base):
    __tablename__ = "gauge"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    serial_number: Mapped[str]
    unit: Mapped[str]
    calibration_interval: Mapped[timedelta]
    retired_at: Mapped[datetime | None] = mapped_column(TIME)
    version: Mapped[int] = mapped_column(server_default=FetchedValue())


class Calibration(Base):
    """Append-only."""

    __tablename__ = "calibration"

    id: Mapped[str] = mapped_column(primary_key=True)
    gauge_id: Mapped[str] = mapped_column(ForeignKey(Gauge.id))
    calibrated_at: Mapped[datetime] = mapped_column(TIME)
    valid_until: Mapped[datetime] = mapped_column(TIME)
    as_found: Mapped[str]
    as_left: Mapped[str]
    certificate: Mapped[str]
    reference_standard: Mapped[str]
    performed_by: Mapped[str]
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(TIME, server_default=FetchedValue())
    valid: Mapped[Range[datetime]] = mapped_column(TSTZRANGE, server_default=FetchedValue())
