"""What the API takes and gives of the shift calendar."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from kojo_mes.kit.fields import Day, Time, Whole, Words
from kojo_mes.lines.plant import Id

LONGEST_PATTERN = timedelta(days=400)
LONGEST_SHIFT = timedelta(hours=24)


def _on_the_minute(clock: time) -> time:
    if clock.tzinfo is not None or clock.second or clock.microsecond:
        raise ValueError("is hours and minutes of the plant's wall clock, like 06:00")
    return clock


def _written(clock: object) -> object:
    if not isinstance(clock, str | time):
        raise ValueError("is hours and minutes of the plant's wall clock, like 06:00")
    return clock


Clock = Annotated[time, BeforeValidator(_written), AfterValidator(_on_the_minute), Field(examples=["06:00"])]
Why = Annotated[Words, Field(examples=["New Year's holiday"])]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _DaysIn(_Body):
    first_day: Day
    last_day: Day = Field(description="included")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta(0) <= self.last_day - self.first_day <= LONGEST_PATTERN:
            raise ValueError(f"last_day is to be on or after first_day, by {LONGEST_PATTERN.days} days at most")
        return self


class PatternIn(_DaysIn):
    line: Id = Field(examples=["line-1"])
    name: Words = Field(examples=["early"])
    weekdays: Annotated[
        set[Annotated[Whole, Field(ge=1, le=7)]],
        Field(min_length=1, max_length=7, examples=[[1, 2, 3, 4, 5]], description="ISO 8601: 1 is Monday, 7 Sunday"),
    ]
    starts: Clock = Field(description="wall clock of the plant's time zone")
    ends: Clock = Field(description="at or before `starts`: on the next day", examples=["14:00"])


class PatternOut(BaseModel):
    id: str
    shifts: int = Field(examples=[260], description="made by it")
    first_day: date
    last_day: date


class ClosureIn(_DaysIn):
    line: Id = Field(examples=["line-1"])
    reason: Why


class ClosureOut(BaseModel):
    id: str
    cancelled: int = Field(examples=[12], description="shifts of these days; patterns that come later leave them out")


class _Times(_Body):
    starts_at: Time = Field(examples=["2026-01-05T06:00:00+09:00"])
    ends_at: Time = Field(examples=["2026-01-05T14:00:00+09:00"])
    exception: Why

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta(0) < self.ends_at - self.starts_at <= LONGEST_SHIFT:
            raise ValueError("ends_at is to be later than starts_at, by 24 hours at most")
        return self


class ShiftTimes(_Times):
    """The shift at other times than its pattern's, and why."""


class ShiftIn(_Times):
    """A shift beside the patterns, and why."""

    line: Id = Field(examples=["line-1"])
    name: Words = Field(examples=["extra"])


class Cancellation(_Body):
    exception: Why


class ShiftOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    line_id: str = Field(serialization_alias="line", examples=["line-1"])
    name: str = Field(examples=["early"])
    day: date = Field(description="on which it starts, by the plant's clock")
    starts_at: Time
    ends_at: Time
    exception: str | None = Field(description="why it isn't as a pattern has it")
    cancelled: bool
    version: int = Field(examples=[1])
