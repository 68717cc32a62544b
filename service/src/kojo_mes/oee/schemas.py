"""What the API gives of OEE."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kojo_mes.kit.fields import Time
from kojo_mes.lines.plant import Id

REFUSED = "none when it was refused"


class FindingOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    code: str = Field(examples=["effectiveness-over-1"])
    detail: str = Field(description="which input is not plausible, or why a factor is not defined")


class AbsenceOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    input: str = Field(examples=["line_state"])
    detail: str = Field(examples=["the state is unknown from 2026-01-05T00:10:00+00:00 to 2026-01-05T00:20:00+00:00"])


class OeeOut(BaseModel):
    """By ISO 22400-2: availability APT/PBT, effectiveness PRI×PQ/APT, quality ratio GQ/PQ, OEE their product. Ratios
    are fractions, not per cent, and not capped: one over 1 comes with a finding."""

    line: str = Field(examples=["line-1"])
    product: str | None = Field(description="none: all products", examples=["housing-100"])
    start: Time = Field(serialization_alias="from")
    end: Time = Field(serialization_alias="to")
    planned_busy_seconds: float = Field(description="PBT", examples=[27000.0])
    actual_production_seconds: float = Field(description="APT", examples=[23400.0])
    ideal_production_seconds: float = Field(description="PRI × PQ", examples=[18000.0])
    good: int = Field(description="GQ, units", examples=[1440])
    scrap: int = Field(description="SQ, units", examples=[40])
    rework: int = Field(description="RQ, units", examples=[20])
    availability: float = Field(examples=[0.866667])
    effectiveness: float | None = Field(description="none: not defined, the line did not run", examples=[0.769231])
    quality_ratio: float | None = Field(description="none: not defined, no unit was made", examples=[0.96])
    oee: float = Field(examples=[0.64])
    micro_stops: int = Field(examples=[3])
    micro_stop_seconds: float = Field(description="counted in APT: a loss of speed", examples=[95.0])
    findings: list[FindingOut]


class RollupOut(BaseModel):
    """A stored figure of one shift. `product` none: all products."""

    model_config = ConfigDict(from_attributes=True)

    shift: str
    line: str = Field(examples=["line-1"])
    name: str = Field(examples=["early"])
    day: date
    starts_at: Time
    ends_at: Time
    product: str | None = Field(examples=["housing-100"])
    status: Literal["computed", "refused"]
    planned_busy_seconds: float | None = Field(description=f"PBT; {REFUSED}")
    actual_production_seconds: float | None = Field(description=f"APT; {REFUSED}")
    ideal_production_seconds: float | None = Field(description=f"PRI × PQ; {REFUSED}")
    good: int | None
    scrap: int | None
    rework: int | None
    availability: float | None
    effectiveness: float | None
    quality_ratio: float | None
    oee: float | None = Field(description=REFUSED, examples=[0.64])
    micro_stop_limit: float = Field(description="seconds, of the line when this was computed")
    micro_stops: int | None
    micro_stop_seconds: float | None
    missing: list[AbsenceOut] = Field(description="why it was refused")
    findings: list[FindingOut]
    stale: bool = Field(description="an input changed since: it is made anew within minutes")
    computed_at: Time


class RollUpIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    line: Id = Field(examples=["line-1"])
    start: Time = Field(alias="from", examples=["2026-01-05T00:00:00+09:00"])
    end: Time = Field(alias="to", examples=["2026-01-12T00:00:00+09:00"], description="100 days later at most")


class RollUpOut(BaseModel):
    line: str = Field(examples=["line-1"])
    shifts: int = Field(
        description="that ended in the time, and were computed anew from the raw records", examples=[21]
    )
    computed: int = Field(description="figures, over all products and by product", examples=[40])
    refused: int = Field(description="figures whose inputs are missing", examples=[2])
    changed: int = Field(description="stored figures that were another before", examples=[0])
