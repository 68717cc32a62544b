"""What the API takes and gives of production counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kojo_mes.kit.fields import MaterialId, Time, Words
from kojo_mes.kit.late_entries import LateEntryReason
from kojo_mes.kit.sources import Source

LARGEST_BATCH = 1000
LONGEST_COUNT = timedelta(hours=24)
Units = Annotated[int, Field(ge=0, le=1_000_000, strict=True)]


class _Quantities(BaseModel):
    """Quantities of ISO 22400-2 in units: good GQ, scrap SQ, rework RQ; their sum is the produced quantity PQ."""

    model_config = ConfigDict(extra="forbid")

    good: Units = Field(examples=[140])
    scrap: Units = Field(examples=[2])
    rework: Units = Field(examples=[1], description="needs work again; counted as good by a later count, if ever")


class CountIn(_Quantities):
    product: MaterialId = Field(examples=["housing-100"])
    from_time: Time = Field(alias="from", examples=["2026-01-05T06:00:00+09:00"])
    to_time: Time = Field(
        alias="to",
        examples=["2026-01-05T06:10:00+09:00"],
        description="up to before it, 24 h at most; a count over a shift's end belongs to neither shift",
    )
    late_entry_reason: LateEntryReason = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta(0) < self.to_time - self.from_time <= LONGEST_COUNT:
            raise ValueError("to is to be later than from, by 24 hours at most")
        return self


class Counts(BaseModel):
    model_config = ConfigDict(extra="forbid")

    counts: Annotated[list[CountIn], Field(min_length=1, max_length=LARGEST_BATCH)]


class CountReceipt(BaseModel):
    received: int = Field(examples=[12])
    accepted: int = Field(examples=[11])
    duplicates: int = Field(examples=[1], description="already known: same product, times and quantities")


class Correction(_Quantities):
    reason: Words = Field(examples=["two units of scrap were found in the good box"])


class CountOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    line_id: str = Field(serialization_alias="line", examples=["line-1"])
    product_id: str = Field(serialization_alias="product", examples=["housing-100"])
    from_time: Time = Field(serialization_alias="from")
    to_time: Time = Field(serialization_alias="to")
    good: int = Field(examples=[140])
    scrap: int = Field(examples=[2])
    rework: int = Field(examples=[1])
    source: Source
    recorded_by: str
    recorded_at: Time
    late_entry_reason: str | None
    version: int = Field(examples=[1], description="higher after corrections; the audit has the ones before")
