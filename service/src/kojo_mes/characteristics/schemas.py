"""What the API takes and gives of characteristics and specifications."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from kojo_mes.gauges.schemas import UnitName
from kojo_mes.kit.fields import Name, Real, Text, Time, Whole, Words
from kojo_mes.signatures.schemas import SignatureIn

CharacteristicId = Annotated[Name, Field(examples=["housing-100.bore"])]
ProductId = Annotated[Name, Field(examples=["housing-100"])]
LanguageNames = Annotated[dict[Literal["ja", "en"], Words], Field(min_length=1)]
SPECIFICATION: dict[str, JsonValue] = {
    "unit": "mm",
    "lower_limit": 73.95,
    "target": 74.0,
    "upper_limit": 74.05,
    "effective_from": "2026-02-01T00:00:00+09:00",
    "reason": "Drawing 100-3, revision C",
}
CHARACTERISTIC: dict[str, JsonValue] = {
    "id": "housing-100.bore",
    "product": "housing-100",
    "kind": "variable",
    "name": {"ja": "内径", "en": "Bore diameter"},
}


class CharacteristicKind(StrEnum):
    VARIABLE = "variable"  # measured
    ATTRIBUTE = "attribute"  # conforming units are counted


class CharacteristicIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [CHARACTERISTIC]})

    id: CharacteristicId
    product: ProductId
    kind: CharacteristicKind
    name: LanguageNames


class CharacteristicOut(BaseModel):
    model_config = ConfigDict(from_attributes=True, populate_by_name=True)

    id: str = Field(examples=["housing-100.bore"])
    product: str = Field(validation_alias="product_id", examples=["housing-100"])
    kind: CharacteristicKind
    name: dict[str, str] = Field(examples=[{"ja": "内径", "en": "Bore diameter"}])
    retired_at: Time | None
    version: int = Field(description="as in the ETag", examples=[1])


class SpecificationIn(BaseModel):
    """A variable characteristic needs a unit and a limit, an attribute characteristic an acceptance number."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [SPECIFICATION]})

    unit: UnitName | None = None
    lower_limit: Real | None = Field(default=None, description="in the unit; a value on a limit conforms")
    target: Real | None = Field(default=None, description="in the unit")
    upper_limit: Real | None = Field(default=None, description="in the unit")
    acceptance_number: Annotated[Whole, Field(ge=0, le=1_000_000)] | None = Field(
        default=None, description="units of a sample that may be nonconforming (ISO 2859-1, Ac)"
    )
    effective_from: Time = Field(description="or from the approval, if that is later")
    reason: Text


class SpecificationOut(BaseModel):
    """Effective from `effective_from` until another approved version's; usable only when approved."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)

    characteristic: str = Field(validation_alias="characteristic_id", examples=["housing-100.bore"])
    version: int = Field(examples=[3])
    kind: CharacteristicKind
    unit: str | None = Field(examples=["mm"])
    lower_limit: float | None = Field(examples=[73.95])
    target: float | None = Field(examples=[74.0])
    upper_limit: float | None = Field(examples=[74.05])
    acceptance_number: int | None = Field(examples=[None])
    wanted_from: Time
    reason: str
    drafted_by: str
    drafted_at: Time
    effective_from: Time | None = Field(description="null: not approved")
    approved_by: str | None
    approved_role: str | None = Field(examples=["quality_manager"])


class ApprovalIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    signature: SignatureIn


class CharacteristicDetail(CharacteristicOut):
    effective: SpecificationOut | None = Field(description="now")
