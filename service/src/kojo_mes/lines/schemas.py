"""What the API says of lines."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, computed_field

from kojo_mes.lines.plant import UNITS, Measurement


class _FromRow(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class SensorOut(_FromRow):
    name: str = Field(examples=["press-1.temperature"])
    measurement: Measurement
    low: float | None = Field(
        default=None, examples=[5.0], description="in its unit; a reading below is kept as uncertain"
    )
    high: float | None = Field(
        default=None, examples=[95.0], description="in its unit; a reading above is kept as uncertain"
    )

    @computed_field(description="of its readings", examples=["°C"])  # type: ignore[prop-decorator]
    @property
    def unit(self) -> str:
        return UNITS[self.measurement]


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


class EquipmentLeaf(_FromRow):
    id: str = Field(examples=["press-1"])
    name: dict[str, str] = Field(examples=[{"ja": "プレス機1", "en": "Press 1"}])
    type: str = Field(examples=["press"])


class WorkCellOut(BaseModel):
    id: str = Field(examples=["cell-1"])
    name: dict[str, str] = Field(examples=[{"ja": "プレスセル", "en": "Press cell"}])
    equipment: list[EquipmentLeaf]


class LineBranch(BaseModel):
    id: str = Field(examples=["line-1"])
    name: dict[str, str] = Field(examples=[{"ja": "第一組立ライン", "en": "Assembly line 1"}])
    work_cells: list[WorkCellOut]
    equipment: list[EquipmentLeaf] = Field(description="of the line itself, in no work cell")


class AreaOut(BaseModel):
    id: str = Field(examples=["assembly"])
    name: dict[str, str] = Field(examples=[{"ja": "組立", "en": "Assembly"}])
    lines: list[LineBranch]


class SiteOut(BaseModel):
    id: str = Field(examples=["plant_a"])
    name: dict[str, str] = Field(examples=[{"ja": "第一工場", "en": "Plant 1"}])
    timezone: str = Field(examples=["Asia/Tokyo"], description="of the shift calendar")
    areas: list[AreaOut]
    lines: list[LineBranch] = Field(description="of the site itself, in no area")


class Hierarchy(BaseModel):
    """The role-based equipment hierarchy of ISA-95 (IEC 62264-1)."""

    enterprise: str | None = Field(examples=["Kojo KK"])
    site: SiteOut


class EquipmentHealth(BaseModel):
    """40 × thermal headroom + 30 × share of time running + 30 × share of good units, over the last 10 minutes."""

    equipment: str = Field(examples=["press-1"])
    line: str = Field(examples=["line-1"])
    temperature: float = Field(examples=[72.0], description="degrees Celsius")
    temperature_limit: float = Field(examples=[80.0], description="degrees Celsius")
    running_share: float = Field(examples=[0.95], description="of the time, 0 to 1")
    good: float = Field(examples=[140], description="units")
    rejected: float = Field(examples=[2], description="units")
    thermal_points: float = Field(
        examples=[20.0], description="0 to 40: all up to 80 % of the temperature limit, none at the limit"
    )
    running_points: float = Field(examples=[28.5], description="0 to 30: in proportion to the share of time running")
    good_points: float = Field(
        examples=[29.6], description="0 to 30: in proportion to the share of good units; all while nothing was made"
    )
    score: float = Field(examples=[78.1], description="0 to 100, the sum of the points")
