"""What the API gives of series."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from kojo_mes.kit.fields import Time


class Bucket(BaseModel):
    """`mean`, `minimum` and `maximum` leave bad readings out; none: there were only bad ones."""

    model_config = ConfigDict(from_attributes=True)

    time: Time = Field(description="where the bucket begins")
    count: int = Field(description="readings that are not bad", examples=[60])
    bad: int = Field(examples=[0])
    mean: float | None = Field(examples=[61.5])
    minimum: float | None = Field(examples=[61.2])
    maximum: float | None = Field(examples=[61.9])
    total: float | None = Field(description="sum, for counts and energy", examples=[3690.0])


class Downsampled(BaseModel):
    sensor: str = Field(examples=["press-1.temperature"])
    unit: str = Field(examples=["°C"])
    seconds: int = Field(description="a bucket's length", examples=[60])
    items: list[Bucket] = Field(description="buckets without a reading are left out")


class SensorCompleteness(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    sensor: str = Field(examples=["press-1.temperature"])
    minutes: int = Field(description="of the shift, with a reading that is not bad", examples=[478])
    completeness: float = Field(description="their share of the shift's minutes, 0 to 1", examples=[0.9958])


class Completeness(BaseModel):
    shift: str
    line: str = Field(examples=["line-1"])
    minutes: int = Field(description="of the shift, up to now when it has not ended", examples=[480])
    completeness: float = Field(description="mean over the line's sensors", examples=[0.998])
    sensors: list[SensorCompleteness]


class Energy(BaseModel):
    """Energy performance of a line (ISO 14001, 9.1.1; ISO 50001 calls such a ratio an indicator, EnPI)."""

    line: str = Field(examples=["line-1"])
    start: Time = Field(serialization_alias="from")
    end: Time = Field(serialization_alias="to")
    kwh: float = Field(description="of all meters of the line's equipment", examples=[812.4])
    good: int = Field(description="units, by production counts", examples=[1440])
    kwh_per_good_unit: float = Field(examples=[0.5642])
