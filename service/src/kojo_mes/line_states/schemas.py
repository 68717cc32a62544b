"""What the API takes and gives of line states."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kojo_mes.kit.fields import MaterialId, Time, Words
from kojo_mes.kit.sources import Source
from kojo_mes.line_states.timeline import WITH_REASON, State
from kojo_mes.products.schemas import Names

Code = Annotated[str, Field(pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$", max_length=63, examples=["breakdown"])]


class _StateIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: State = Field(examples=["unplanned_stop"])
    reason: Code | None = Field(
        default=None,
        description="one of GET /api/v1/state-reasons; stops and changeovers need one, others have none",
        examples=["breakdown"],
    )
    product: MaterialId | None = Field(
        default=None, description="set up on the line, in a changeover the next one", examples=["housing-100"]
    )

    @model_validator(mode="after")
    def _reason_fits(self) -> Self:
        if (self.state in WITH_REASON) != (self.reason is not None):
            raise ValueError(f"{self.state} {'needs a' if self.state in WITH_REASON else 'has no'} reason")
        return self


class StateIn(_StateIn):
    time: Time = Field(description="when it began, not before the present state did")

    @model_validator(mode="after")
    def _running_makes_something(self) -> Self:
        if self.state is State.RUNNING and self.product is None:
            raise ValueError("running needs a product")
        return self


class ReclassificationIn(_StateIn):
    """Without `product` each part keeps its own."""

    from_time: Time = Field(alias="from", examples=["2026-01-05T08:30:00+09:00"])
    to_time: Time = Field(
        alias="to", examples=["2026-01-05T08:45:00+09:00"], description="up to before it; not in the future"
    )
    explanation: Words = Field(examples=["the sensor was covered; the line ran"])

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_time >= self.to_time:
            raise ValueError("to is to be later than from")
        return self


class StateOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    line_id: str = Field(serialization_alias="line", examples=["line-1"])
    state: State
    reason: str | None = Field(examples=["breakdown"])
    product_id: str | None = Field(serialization_alias="product", examples=["housing-100"])
    started_at: Time
    ended_at: Time | None = Field(description="none: it lasts")
    source: Source
    recorded_by: str
    recorded_at: Time


class SupersededOut(StateOut):
    reclassification_id: str = Field(serialization_alias="reclassification")


class ReclassificationOut(BaseModel):
    id: str
    superseded: int = Field(description="states that were replaced, and are kept", examples=[1])
    states: list[StateOut] = Field(description="what took their place")


class ReclassificationEntry(BaseModel):
    """One that was made: what it said, why, by whom and when. `line-signals` makes them where readings came late."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    from_time: Time = Field(serialization_alias="from")
    to_time: Time = Field(serialization_alias="to")
    state: State | None = Field(description="none: several, as late readings have them")
    reason: str | None
    product_id: str | None = Field(serialization_alias="product")
    explanation: str
    reclassified_by: str
    reclassified_at: Time


class ReasonIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: State = Field(examples=["unplanned_stop"])
    code: Code
    name: Names

    @model_validator(mode="after")
    def _state_has_reasons(self) -> Self:
        if self.state not in WITH_REASON:
            raise ValueError(f"{self.state} has no reasons")
        return self


class ReasonOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    state: State
    code: str
    name: dict[str, str] = Field(examples=[{"ja": "故障", "en": "Breakdown"}])


class MicroStop(BaseModel):
    started_at: Time
    ended_at: Time
    seconds: float = Field(examples=[12.5])


class MicroStops(BaseModel):
    """Unplanned stops shorter than the line's limit that began in the time asked for."""

    limit: float = Field(description="seconds; 0: the line has no micro-stops", examples=[120.0])
    seconds: float = Field(description="all of them together", examples=[12.5])
    items: list[MicroStop]
