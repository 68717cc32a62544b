"""What the API says of lines."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from kojo_mes.lines.plant import Measurement


class _FromRow(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class SensorOut(_FromRow):
    name: str = Field(examples=["press-1.temperature"])
    measurement: Measurement


class EquipmentOut(_FromRow):
    id: str = Field(examples=["press-1"])
    name: dict[str, str] = Field(examples=[{"ja": "プレス機1", "en": "Press 1"}])
    type: str = Field(examples=["press"])
    temperature_limit: float = Field(examples=[80.0], description="degrees Celsius")
    sensors: list[SensorOut]


class LineOut(_FromRow):
    id: str = Field(examples=["line-1"])
    name: dict[str, str] = Field(examples=[{"ja": "第一組立ライン", "en": "Assembly line 1"}])
    product: str = Field(examples=["housing-100"])
    ideal_cycle_time: float = Field(examples=[4.0], description="seconds a unit")
    equipment: list[EquipmentOut]


class Lines(BaseModel):
    items: list[LineOut]
