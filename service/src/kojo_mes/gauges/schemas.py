"""What the API takes and gives of gauges."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PlainSerializer, WithJsonSchema

from kojo_mes.kit.fields import Name, Time, Whole, Words

GaugeId = Annotated[Name, Field(examples=["bore-gauge-3"])]
UnitName = Annotated[Words, Field(max_length=20, examples=["mm"])]
CALIBRATION: dict[str, JsonValue] = {
    "calibrated_at": "2026-01-05T09:00:00+09:00",
    "as_found": "in-tolerance",
    "as_left": "in-tolerance",
    "certificate": "JCSS-2026-00123",
    "reference_standard": "ring gauge 74 mm, NMIJ 4711",
    "performed_by": "Kojo metrology room",
}
GAUGE: dict[str, JsonValue] = {
    "id": "bore-gauge-3",
    "name": "Bore gauge 50–100 mm",
    "serial_number": "SN-20714",
    "unit": "mm",
    "calibration_interval_days": 180,
}


class Tolerance(StrEnum):
    """How a calibration finds a gauge, and how it leaves it after adjustment."""

    IN = "in-tolerance"
    OUT = "out-of-tolerance"


class GaugeIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [GAUGE]})

    id: GaugeId
    name: Words
    serial_number: Words
    unit: UnitName = Field(description="a variable characteristic is measured in the unit of its gauge")
    calibration_interval_days: Annotated[Whole, Field(ge=1, le=3660)]


class CalibrationIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [CALIBRATION]})

    calibrated_at: Time
    valid_until: Time | None = Field(default=None, description="by default after the gauge's interval")
    as_found: Tolerance
    as_left: Tolerance
    certificate: Words
    reference_standard: Words = Field(description="the standard that traces it to SI units, ISO 9001 7.1.5.2 a)")
    performed_by: Words


class CalibrationOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    gauge_id: str = Field(examples=["bore-gauge-3"])
    calibrated_at: Time
    valid_until: Time
    as_found: Tolerance
    as_left: Tolerance
    certificate: str
    reference_standard: str
    performed_by: str
    recorded_by: str
    recorded_at: Time


class CalibrationReceipt(CalibrationOut):
    affected_checks: int = Field(
        description="checks since the last good calibration, when the gauge was found out of tolerance;"
        " GET /api/v1/quality/checks?affected_by=<gauge> lists them (ISO 9001 7.1.5.2)",
        examples=[0],
    )


def _in_days(interval: timedelta) -> str:
    """Days are what was asked for; pydantic would make years of 365 days of them."""
    return f"P{interval.days}D"


DURATION = {"type": "string", "format": "duration", "examples": ["P180D"]}


class GaugeOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["bore-gauge-3"])
    name: str
    serial_number: str
    unit: str = Field(examples=["mm"])
    calibration_interval: Annotated[timedelta, PlainSerializer(_in_days), WithJsonSchema(DURATION)]
    retired_at: Time | None
    version: int = Field(description="as in the ETag", examples=[1])


class GaugeDetail(GaugeOut):
    usable: bool = Field(description="now: calibrated, left in tolerance, not overdue, not retired")
    calibrations: list[CalibrationOut] = Field(description="the latest first, 100 at most")


def gauge_values(gauge: GaugeIn) -> dict[str, Any]:
    return {
        **gauge.model_dump(exclude={"calibration_interval_days"}),
        "calibration_interval": timedelta(days=gauge.calibration_interval_days),
    }
