"""What the API takes and gives of readings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from kojo_mes.kit.fields import Real, Time
from kojo_mes.kit.problems import Fault
from kojo_mes.lines.plant import Measurement

LARGEST_BATCH = 5000
EXAMPLE: JsonValue = {"sensor": "press-1.temperature", "time": "2026-01-05T08:30:00.250+09:00", "value": 61.5}


Unit = Literal["1", "pcs", "°C", "kWh"]


class Quality(StrEnum):
    """As in OPC UA. Bad readings are kept and counted, and left out of every figure."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


SensorName = Annotated[
    str, Field(pattern=r"^[a-z0-9-]+\.[a-z_]+$", max_length=100, description="equipment.measurement")
]
SourceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$", examples=["gw1:2026-01-05T08"])]


class ReadingIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    sensor: SensorName
    time: Time = Field(description="when it was measured, with its offset from UTC")
    value: Real
    quality: Quality = Quality.GOOD
    unit: Unit | None = Field(default=None, description="the sensor's, where the sender wants it to be checked")
    sequence: Annotated[int, Field(strict=True, ge=0, le=2**53)] | None = Field(
        default=None, description="of the batch's source: one more than that of its reading before"
    )


@dataclass(frozen=True)
class Unreadable:
    """What can't be a reading, and why: field and reason."""

    faults: tuple[tuple[str, str], ...]


def _readings_or_why_not(given: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """One bad reading doesn't hide the others: the service decides whether it takes the batch along."""
    try:
        return validate(given)
    except ValidationError as error:
        faults: dict[int, list[tuple[str, str]]] = {}
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            if not fault["loc"]:  # of the list itself
                raise
            index, *field = fault["loc"]
            faults.setdefault(int(index), []).append((str(field[0]) if field else "readings", fault["msg"]))
    readable = [item for index, item in enumerate(given) if index not in faults]
    rest = iter(validate(readable) if readable else ())
    return [Unreadable(tuple(faults[index])) if index in faults else next(rest) for index in range(len(given))]


class Batch(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"readings": [EXAMPLE]}]})

    source: SourceName | None = Field(
        default=None,
        description="whose sequence numbers the readings have; one that begins anew takes another name",
    )
    readings: Annotated[
        list[ReadingIn],
        Field(min_length=1, max_length=LARGEST_BATCH),
        WrapValidator(_readings_or_why_not),
    ]


class Receipt(BaseModel):
    """Sent after COMMIT: every reading that it counts is in the database."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"received": 30, "accepted": 28, "duplicates": 2}]})

    received: int
    accepted: int
    duplicates: int = Field(description="already known: same sensor, same time; the first value stays")


class PartialReceipt(Receipt):
    """Of a batch with `partial=true`: what it refused was not stored."""

    refused: list[Fault]


class SourceOut(BaseModel):
    """A source's sequence numbers."""

    model_config = ConfigDict(from_attributes=True)

    actor: str = Field(description="who sends for it", examples=["simulator"])
    source: str = Field(examples=["gw1:2026-01-05T08"])
    last: int = Field(description="the highest that came", examples=[86400])
    received: int = Field(examples=[86397])
    duplicates: int = Field(description="that had come before", examples=[0])
    out_of_order: int = Field(description="that came after a higher one", examples=[2])
    missing: int = Field(description="skipped, and not here yet", examples=[3])
    last_received_at: AwareDatetime


class DeviceCounts(BaseModel):
    """What came of all readings that a device sent, or one of the settings' keys."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10"])
    name: str = Field(examples=["press-1-plc"])
    received: int = Field(description="of known sensors, with possible values", examples=[86400])
    duplicates: int = Field(description="already known: same sensor, same time", examples=[0])
    late: int = Field(description="a minute old or more when they came", examples=[12])
    skewed: int = Field(
        description="beyond what is allowed of the device's clock, and taken as uncertain", examples=[0]
    )
    bad: int = Field(description="of bad quality", examples=[0])
    out_of_limits: int = Field(description="beyond the limits that the plant's page has of their sensor", examples=[0])
    sequence_missing: int = Field(description="sequence numbers that were skipped, and are not here yet", examples=[3])
    sequence_duplicates: int = Field(description="sequence numbers that had come before", examples=[0])
    out_of_order: int = Field(description="sequence numbers that came after a higher one", examples=[2])
    last_received_at: AwareDatetime


class ReadingOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    time: AwareDatetime = Field(description="of the measurement, by its source")
    received_at: AwareDatetime = Field(description="by the server")
    value: float = Field(examples=[61.5])
    quality: Quality


class StoredReading(ReadingOut):
    """Null of a reading from before this was kept: who sent it, and with which others."""

    sender: str | None = Field(examples=["0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10"])
    sender_name: str | None = Field(examples=["press-1-plc"])
    batch: int | None = Field(description="the same of all readings that came together", examples=[4711])


class LatestReading(ReadingOut):
    sensor: str = Field(examples=["press-1.temperature"])
    line: str = Field(examples=["line-1"])
    equipment: str = Field(examples=["press-1"])
    measurement: Measurement


class Latest(BaseModel):
    items: list[LatestReading]


class Page(BaseModel):
    items: list[StoredReading]
    next: AwareDatetime | None = Field(
        default=None, description="there is more: ask again with `after` set to this, and all else the same"
    )
