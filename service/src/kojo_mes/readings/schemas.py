"""What the API takes and gives of readings."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from kojo_mes.lines.plant import Measurement

LARGEST_BATCH = 5000
EXAMPLE: JsonValue = {"sensor": "press-1.temperature", "time": "2026-01-05T08:30:00.250+09:00", "value": 61.5}


class Quality(StrEnum):
    """As in OPC UA. Bad readings are kept and counted, and left out of every figure."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class ReadingIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    sensor: Annotated[str, Field(pattern=r"^[a-z0-9-]+\.[a-z_]+$", max_length=100, description="equipment.measurement")]
    time: AwareDatetime = Field(description="when it was measured, with its offset from UTC")
    value: Annotated[float, Field(strict=True, allow_inf_nan=False)]
    quality: Quality = Quality.GOOD


class Batch(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"readings": [EXAMPLE]}]})

    readings: Annotated[list[ReadingIn], Field(min_length=1, max_length=LARGEST_BATCH)]


class Receipt(BaseModel):
    """Sent after COMMIT: every reading that it counts is in the database."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"received": 30, "accepted": 28, "duplicates": 2}]})

    received: int
    accepted: int
    duplicates: int = Field(description="already known: same sensor, same time; the first value stays")


class ReadingOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    time: AwareDatetime
    value: float = Field(examples=[61.5])
    quality: Quality


class LatestReading(ReadingOut):
    sensor: str = Field(examples=["press-1.temperature"])
    line: str = Field(examples=["line-1"])
    equipment: str = Field(examples=["press-1"])
    measurement: Measurement


class Latest(BaseModel):
    items: list[LatestReading]


class Page(BaseModel):
    items: list[ReadingOut]
    next: AwareDatetime | None = Field(
        default=None, description="there is more: ask again with `after` set to this, and all else the same"
    )
