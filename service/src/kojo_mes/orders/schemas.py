"""What the API takes and gives of work orders."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from kojo_mes.kit.fields import MaterialId, Time, Words
from kojo_mes.kit.quantities import Amount, Quantity, Unit, whole_if_pieces
from kojo_mes.orders.states import Dispatch, Execution, OrderState

LineId = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,100}$", examples=["line-1"])]
CONTENT: dict[str, Any] = {
    "line": "line-1",
    "product": "housing-100",
    "unit": "pcs",
    "quantity": "500",
    "due": "2026-12-09T17:00:00+09:00",
}


class OrderContent(BaseModel):
    """What is to be made, where, how much, until when: fixed once the order leaves `planned`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [CONTENT]})

    line: LineId
    product: Words = Field(examples=["housing-100"], description="of the plant's products; ISA-95: material definition")
    unit: Unit
    quantity: Quantity
    due: Time = Field(description="ISA-95: end time of the work order")

    @field_validator("quantity")
    @classmethod
    def _whole(cls, value: Any, info: ValidationInfo) -> Any:
        if "unit" in info.data and (fault := whole_if_pieces(value, info.data["unit"])):
            raise ValueError(fault)
        return value


class OrderIn(OrderContent):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"id": "WO-2026-0117", **CONTENT}]})

    id: MaterialId


class DispatchIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"to": "released"}]})

    to: Dispatch
    reason: Words | None = Field(default=None, description="needed to cancel")

    @field_validator("reason")
    @classmethod
    def _why(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("to") is Dispatch.CANCELLED:
            raise ValueError("is needed to cancel")
        return value


class ExecutionIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"to": "running"}]})

    to: Execution
    reason: Words | None = None


class OrderOut(BaseModel):
    """A work order."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)

    id: str = Field(examples=["WO-2026-0117"])
    line: str = Field(validation_alias="line_id", examples=["line-1"])
    product: str = Field(validation_alias="product_id", examples=["housing-100"])
    unit: Unit
    quantity: Amount = Field(examples=["500"])
    due: Time
    state: OrderState
    version: int = Field(description="as in the ETag", examples=[3])
    created_at: Time
    started_at: Time | None = Field(description="ISA-95: actual start time")
    ended_at: Time | None = Field(description="ISA-95: actual end time")


class MaterialSum(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    product: str = Field(examples=["resin-7"])
    unit: Unit
    quantity: Amount = Field(examples=["125.5"])


class MassBalance(BaseModel):
    """In kilograms; only where everything the order used and made is measured in units of mass."""

    consumed: Amount = Field(examples=["125.5"], description="kg")
    produced: Amount = Field(examples=["124.9"], description="kg, what was scrapped of it included")
    loss: Amount = Field(examples=["0.6"], description="kg; consumed − produced, which can't be negative at completion")


class OrderBalance(BaseModel):
    """What an order used and made, by product and unit."""

    order: str = Field(examples=["WO-2026-0117"])
    planned: Amount = Field(examples=["500"])
    unit: Unit
    good: Amount = Field(description="made of the order's product in its unit, less what was scrapped in process")
    remaining: Amount = Field(description="planned − good, at least 0")
    consumed: list[MaterialSum]
    produced: list[MaterialSum]
    scrapped: list[MaterialSum] = Field(description="before release")
    mass: MassBalance | None
