"""Tables of checks and control charts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, FetchedValue, Float, ForeignKey
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSTZRANGE
from sqlalchemy.dialects.postgresql.ranges import Range
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base

TIME = DateTime(timezone=True)


class ControlChart(Base):
    """Append-only."""

    __tablename__ = "control_chart"

    id: Mapped[str] = mapped_column(primary_key=True)
    characteristic_id: Mapped[str]
    characteristic_kind: Mapped[str]
    line_id: Mapped[str]
    kind: Mapped[str]
    subgroup_size: Mapped[int]
    rule_set: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(TIME, server_default=FetchedValue())


class ControlLimits(Base):
    """Append-only: another decision is another version."""

    __tablename__ = "control_limits"

    chart_id: Mapped[str] = mapped_column(ForeignKey(ControlChart.id), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    centre: Mapped[float]
    mean_range: Mapped[float | None]
    baseline_name: Mapped[str | None]
    baseline_from: Mapped[datetime | None] = mapped_column(TIME)
    baseline_to: Mapped[datetime | None] = mapped_column(TIME)
    baseline_checks: Mapped[int | None]
    excluded: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    reason: Mapped[str]
    decided_by: Mapped[str]
    decided_at: Mapped[datetime] = mapped_column(TIME, server_default=FetchedValue())


class QualityCheck(Base):
    """Append-only."""

    __tablename__ = "quality_check"

    id: Mapped[str] = mapped_column(primary_key=True)
    characteristic_id: Mapped[str]
    kind: Mapped[str]
    product_id: Mapped[str]
    line_id: Mapped[str]
    lot_id: Mapped[str | None]
    serial: Mapped[str | None]
    specification_version: Mapped[int]
    effective_from: Mapped[datetime] = mapped_column(TIME)
    gauge_id: Mapped[str | None]
    calibration_id: Mapped[str | None]
    calibration_valid: Mapped[Range[datetime] | None] = mapped_column(TSTZRANGE)
    chart_id: Mapped[str | None] = mapped_column(ForeignKey(ControlChart.id))
    limits_version: Mapped[int | None]
    values: Mapped[list[float]] = mapped_column(ARRAY(Float))
    sample_size: Mapped[int]
    nonconforming: Mapped[int]
    conforming: Mapped[bool]
    measured_at: Mapped[datetime] = mapped_column(TIME)
    late_entry_reason: Mapped[str | None]
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(TIME, server_default=FetchedValue())
