"""What the API takes and gives of nonconformances and holds."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationInfo, field_validator

from kojo_mes.characteristics.schemas import CharacteristicId, ProductId
from kojo_mes.kit.fields import MaterialId, Name, Text, Time, Words
from kojo_mes.nonconformance.states import Disposition, NonconformanceState
from kojo_mes.signatures.schemas import Signature, SignatureIn

LineId = Annotated[Name, Field(examples=["line-1"])]
RecordId = Annotated[
    str,
    Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", examples=["0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10"]),
]
PLACE: dict[str, JsonValue] = {"line": "line-1", "product": "housing-100", "lot": "L-2026-0117"}


class Source(StrEnum):
    SIGNAL = "signal"  # of a check
    REPORT = "report"  # by a person


class Place(BaseModel):
    """What it is about: all that a line made of a product, or a lot or serial of it."""

    line: LineId
    product: ProductId
    lot: MaterialId | None = Field(default=None, examples=["L-2026-0117"])
    serial: MaterialId | None = Field(default=None, examples=["SN-000042"])


class ReportIn(Place):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{**PLACE, "description": "Scratches on the sealing face"}]}
    )

    description: Text
    characteristic: CharacteristicId | None = None


class HoldIn(Place):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{**PLACE, "reason": "Supplier's warning of resin R-7"}]}
    )

    reason: Text


class HoldReleaseIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "Reworked and rechecked"}]})

    reason: Text


class NonconformanceReviewIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "Lot segregated in bay Q2"}]})

    reason: Text


class DispositionIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "disposition": "rework",
                    "justification": "Burr is removed by honing, instruction W-17",
                    "signature": {"user_name": "aiko.tanaka", "password": "…", "role": "quality_manager"},
                }
            ]
        },
    )

    disposition: Disposition
    justification: Text
    # validated though absent: a concession needs it
    concession: Words | None = Field(
        default=None,
        validate_default=True,
        description="who granted it and under which number; needed to use as is, and only then",
        examples=["customer K-0042, 2026-01-07"],
    )
    signature: SignatureIn

    @field_validator("concession")
    @classmethod
    def _granted(cls, value: str | None, info: ValidationInfo) -> str | None:
        used = info.data.get("disposition") is Disposition.USE_AS_IS
        if used and value is None:
            raise ValueError("is needed to use as is")
        if not used and value is not None:
            raise ValueError("is only for use as is")
        return value


class NonconformanceClosureIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"note": "All 40 pieces honed and measured"}]}
    )

    note: Text
    verification_check: RecordId | None = Field(
        default=None, description="after rework: the conforming check that verifies it (ISO 9001 8.7.1)"
    )


class _FromRow(BaseModel):
    model_config = ConfigDict(from_attributes=True, populate_by_name=True)


class NonconformanceOut(_FromRow):
    id: str
    version: int = Field(description="as in the ETag", examples=[3])
    state: NonconformanceState
    source: Source
    description: str
    line: str = Field(validation_alias="line_id", examples=["line-1"])
    product: str = Field(validation_alias="product_id", examples=["housing-100"])
    lot: str | None = Field(validation_alias="lot_id")
    serial: str | None
    characteristic: str | None = Field(validation_alias="characteristic_id", examples=["housing-100.bore"])
    opened_by: str
    opened_at: Time
    disposition: Disposition | None
    verification_check: str | None = Field(validation_alias="verification_check_id")
    closing_note: str | None
    closed_by: str | None
    closed_at: Time | None


class DispositionOut(_FromRow):
    version: int = Field(description="of the nonconformance, as it was signed", examples=[3])
    disposition: Disposition
    justification: str
    concession: str | None
    decided_by: str
    decided_role: str = Field(examples=["quality_manager"])
    decided_at: Time


class SignalOut(_FromRow):
    check: str = Field(validation_alias="check_id")
    rule: str = Field(description="of GET /api/v1/quality/rules", examples=["nelson-2"])


class HoldOut(_FromRow):
    id: str
    version: int = Field(description="as in the ETag", examples=[1])
    nonconformance: str | None = Field(validation_alias="nonconformance_id")
    line: str = Field(validation_alias="line_id", examples=["line-1"])
    product: str = Field(validation_alias="product_id", examples=["housing-100"])
    lot: str | None = Field(validation_alias="lot_id")
    serial: str | None
    reason: str
    placed_by: str
    placed_at: Time
    released_by: str | None
    released_at: Time | None
    release_reason: str | None


class NonconformanceDetail(NonconformanceOut):
    signals: list[SignalOut]
    holds: list[HoldOut]
    dispositions: list[DispositionOut] = Field(description="the last one counts")
    signatures: list[Signature]
