"""What the API takes and gives of products."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from kojo_mes.kit.fields import MaterialId, Time, Words
from kojo_mes.kit.quantities import WRITTEN, documented

Names = Annotated[
    dict[Literal["ja", "en"], Words],
    Field(min_length=1, examples=[{"ja": "筐体100", "en": "Housing 100"}], description="by language"),
]
Seconds = Annotated[
    Decimal,
    Field(
        gt=0,
        le=86_400,
        decimal_places=6,
        description="PRI, the planned run time per item of ISO 22400-2: seconds a unit",
        examples=["4.0"],
    ),
    WRITTEN,
    documented(86_400),
]


class ProductName(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Names


class ProductIn(ProductName):
    id: MaterialId = Field(examples=["housing-100"])


class ProductOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["housing-100"])
    name: dict[str, str] = Field(examples=[{"ja": "筐体100", "en": "Housing 100"}])
    version: int = Field(examples=[1])


class IdealCycleTimeIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    product: MaterialId = Field(examples=["housing-100"])
    seconds: Seconds
    valid_from: Time = Field(
        description="later than that of the time in force, which ends here; in the past: figures since are made anew"
    )
    reason: Words = Field(examples=["new gripper, measured on 2026-01-05"])


class IdealCycleTimeOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    line_id: str = Field(serialization_alias="line", examples=["line-1"])
    product_id: str = Field(serialization_alias="product", examples=["housing-100"])
    seconds: Decimal = Field(examples=["4.000000"])
    valid_from: Time | None = Field(description="none: since ever")
    valid_to: Time | None = Field(description="none: still in force")
    source: str = Field(examples=["plant page"], description="plant page or person")
    reason: str
