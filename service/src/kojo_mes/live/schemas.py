"""What the events of /api/v1/live carry. What is not known is null, never a guess."""

from __future__ import annotations

from pydantic import BaseModel, Field

from kojo_mes.kit.fields import Time
from kojo_mes.line_states.timeline import State


class StateNow(BaseModel):
    """The present state of the line's time line."""

    state: State
    reason: str | None = Field(examples=["breakdown"])
    product: str | None = Field(examples=["housing-100"])
    since: Time


class ShiftNow(BaseModel):
    """The shift that lasts, and what the line's counts within it add up to, all products together."""

    id: str
    name: str = Field(examples=["early"])
    starts_at: Time
    ends_at: Time
    good: int = Field(examples=[1440], description="units")
    scrap: int = Field(examples=[40], description="units")
    rework: int = Field(examples=[20], description="units")


class LineNow(BaseModel):
    line: str = Field(examples=["line-1"])
    running: bool | None = Field(description="by its equipment's status: all of it runs, or one piece is stopped")
    efficiency: float | None = Field(
        examples=[87.5], description="%, good units times ideal cycle time over the last 10 minutes; made every 5 s"
    )
    state: StateNow | None = Field(description="null: none was recorded yet")
    shift: ShiftNow | None = Field(description="null: no shift now")


class EquipmentNow(BaseModel):
    line: str = Field(examples=["line-1"])
    equipment: str = Field(examples=["press-1"])
    running: bool | None = Field(description="by its latest status of good quality, at most 30 s old")
    temperature: float | None = Field(examples=[72.4], description="degrees Celsius, of good quality, at most 30 s old")
    temperature_limit: float = Field(examples=[80.0], description="degrees Celsius")
    health: float | None = Field(
        examples=[91.2], description="0 to 100, as /api/v1/equipment/{equipment}/health; made every 5 s"
    )


class QualityNow(BaseModel):
    line: str = Field(examples=["line-1"])
    holds: int = Field(examples=[1], description="that are not released")
    newest_hold: str | None = Field(description="of them")
    nonconformances: int = Field(examples=[2], description="that are not closed")
    newest_nonconformance: str | None = Field(description="of them")


class SourceNow(BaseModel):
    current: bool = Field(description="false: the database doesn't answer, and what was sent may be outdated")


class Snapshot(BaseModel):
    """All that there is to know of the lines asked for. Forget what came before it."""

    source: SourceNow
    lines: list[LineNow]
    equipment: list[EquipmentNow]
    quality: list[QualityNow]
