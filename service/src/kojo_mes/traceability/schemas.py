"""What the API takes and gives of lots, serials and what became of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from kojo_mes.kit.fields import MaterialId, Time, Words
from kojo_mes.kit.late_entries import LateEntryReason
from kojo_mes.kit.quantities import Amount, Quantity, Unit, whole_if_pieces
from kojo_mes.signatures.schemas import Signature, SignatureIn
from kojo_mes.traceability.states import LotKind, LotState, MovementKind

LARGEST_CONSUMPTION = 100
LONGEST_LIST = 200
WHEN = "2026-01-05T08:30:00+09:00"


class LotIn(BaseModel):
    """A number for a lot or serial: made for a work order, or received from a supplier."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"id": "L-260105-07", "product": "housing-100", "unit": "pcs", "order": "WO-2026-0117"},
                {"id": "R-88213", "product": "resin-7", "unit": "kg", "supplier": "Asahi", "supplier_lot": "A4711"},
            ]
        },
    )

    id: MaterialId
    kind: LotKind = LotKind.LOT
    product: Words = Field(examples=["housing-100"], description="of the plant's products")
    unit: Unit = Field(description="of all its quantities; a serial is 1 pcs")
    order: MaterialId | None = Field(default=None, description="the work order that makes it")
    supplier: Words | None = None
    supplier_lot: Words | None = Field(default=None, description="the supplier's own number")

    @model_validator(mode="after")
    def _origin(self) -> LotIn:
        received = (self.supplier is not None, self.supplier_lot is not None)
        if received != ((self.order is None,) * 2):
            raise ValueError("a lot has either an order, or a supplier with the supplier's lot")
        if self.kind is LotKind.SERIAL and self.unit is not Unit.PIECES:
            raise ValueError("a serial is one piece: its unit is pcs")
        return self


class LotOut(BaseModel):
    """A lot or serial as it is."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)

    id: str = Field(examples=["L-260105-07"])
    kind: LotKind
    product: str = Field(validation_alias="product_id", examples=["housing-100"])
    unit: Unit
    order: str | None = Field(validation_alias="work_order_id", examples=["WO-2026-0117"])
    supplier: str | None = Field(examples=[None])
    supplier_lot: str | None = Field(examples=[None])
    state: LotState
    version: int = Field(description="as in the ETag", examples=[4])
    on_hand: Amount = Field(description="received + produced − consumed − shipped − scrapped", examples=["480"])
    shipped: Amount = Field(examples=["0"])
    created_at: Time
    released_at: Time | None
    signed_version: int | None = Field(description="the version that review and release were signed on")
    reviewed_by: str | None = Field(description="who signed the audit review")
    released_by: str | None = Field(description="who signed the release: somebody else")
    review_list: str | None = Field(description="the signed list that it was reviewed on, if on one", examples=[None])
    release_list: str | None = Field(description="the signed list that it was released on, if on one", examples=[None])


class Booking(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"unit": "pcs", "quantity": "500", "time": WHEN}]}
    )

    unit: Unit = Field(description="the lot's")
    quantity: Quantity
    time: Time = Field(description="when it happened; not in the future")
    late_entry_reason: LateEntryReason = None

    @field_validator("quantity")
    @classmethod
    def _whole(cls, value: Any, info: ValidationInfo) -> Any:
        if "unit" in info.data and (fault := whole_if_pieces(value, info.data["unit"])):
            raise ValueError(fault)
        return value


class ShipmentIn(Booking):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"unit": "pcs", "quantity": "20", "time": WHEN, "consignee": "Sato KK", "delivery": "D-5512"}]
        },
    )

    consignee: Words = Field(description="who gets it: whom a recall has to reach")
    delivery: Words = Field(description="the delivery note's number")


class ScrapIn(Booking):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"unit": "pcs", "quantity": "3", "time": WHEN, "reason": "burrs"}]},
    )

    reason: Words


class EndIn(BaseModel):
    """Scraps all that a lot has, which may be nothing, and with it the lot."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"time": WHEN, "reason": "wrong resin, NC-17"}]}
    )

    time: Time = Field(description="when it happened; not in the future")
    late_entry_reason: LateEntryReason = None
    reason: Words


class Input(BaseModel):
    model_config = ConfigDict(extra="forbid")

    lot: MaterialId
    unit: Unit = Field(description="the lot's")
    quantity: Quantity

    @field_validator("quantity")
    @classmethod
    def _whole(cls, value: Any, info: ValidationInfo) -> Any:
        if "unit" in info.data and (fault := whole_if_pieces(value, info.data["unit"])):
            raise ValueError(fault)
        return value


class ConsumptionIn(BaseModel):
    """What went into a lot: all of it is booked, or nothing."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"inputs": [{"lot": "R-88213", "unit": "kg", "quantity": "12.5"}], "time": WHEN}]
        },
    )

    inputs: Annotated[list[Input], Field(min_length=1, max_length=LARGEST_CONSUMPTION)]
    time: Time = Field(description="when it happened; not in the future")
    late_entry_reason: LateEntryReason = None

    @field_validator("inputs")
    @classmethod
    def _once(cls, value: list[Input]) -> list[Input]:
        if len({item.lot for item in value}) < len(value):
            raise ValueError("a lot is named twice")
        return value


class MovementOut(BaseModel):
    """What was done with some of a lot."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)

    id: str = Field(examples=["0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10"])
    kind: MovementKind
    lot: str = Field(validation_alias="lot_id", examples=["R-88213"])
    into: str | None = Field(validation_alias="into_lot_id", description="of a consumption", examples=["L-260105-07"])
    order: str | None = Field(validation_alias="work_order_id", examples=["WO-2026-0117"])
    quantity: Amount = Field(examples=["12.5"])
    unit: Unit
    time: Time
    consignee: str | None
    delivery: str | None
    reason: str | None
    late_entry_reason: str | None
    recorded_by: str
    recorded_at: Time


class Booked(BaseModel):
    """The movements that were stored, and the lot as it is since."""

    movements: list[MovementOut]
    lot: LotOut


class LotBalance(BaseModel):
    """The mass balance of a lot, from its movements."""

    lot: str
    unit: Unit
    received: Amount
    produced: Amount
    consumed: Amount
    shipped: Amount
    scrapped: Amount
    on_hand: Amount = Field(description="received + produced − consumed − shipped − scrapped")


class ReviewIn(BaseModel):
    """The audit trail of the lot was reviewed with its record (FDA, Data Integrity, 2018, question 8)."""

    model_config = ConfigDict(extra="forbid")

    signature: SignatureIn = Field(description="as quality_inspector or quality_manager")


class ReleaseIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    signature: SignatureIn | None = Field(default=None, description="as quality_manager; without it, 409")


class Seen(BaseModel):
    """A lot or serial in the version that its signer has seen."""

    model_config = ConfigDict(extra="forbid")

    lot: MaterialId = Field(examples=["SN-000042"])
    version: int = Field(ge=1, le=2**31 - 1, examples=[2])


class Several(BaseModel):
    model_config = ConfigDict(extra="forbid")

    lots: Annotated[list[Seen], Field(min_length=1, max_length=LONGEST_LIST)]

    @field_validator("lots")
    @classmethod
    def _once(cls, value: list[Seen]) -> list[Seen]:
        if len({item.lot for item in value}) < len(value):
            raise ValueError("a lot is named twice")
        return value


class ReviewsIn(Several, ReviewIn):
    """The audit trails of these lots and serials were reviewed with their records: one signature on all."""


class ReleasesIn(Several):
    signature: SignatureIn = Field(description="as quality_manager, on all")


class Released(BaseModel):
    signature: Signature
    lots: list[LotOut]


class Direction(StrEnum):
    FORWARD = "forward"  # what was made of it
    BACKWARD = "backward"  # what it was made of


class Edge(BaseModel):
    """All that was consumed of one lot into another."""

    source: str = Field(examples=["R-88213"])
    target: str = Field(examples=["L-260105-07"])
    quantity: Amount = Field(examples=["12.5"])
    unit: Unit = Field(description="the source's")
    first_at: Time
    last_at: Time


class GenealogyLot(BaseModel):
    lot: str
    kind: LotKind
    product: str
    state: LotState
    depth: int = Field(description="edges on the shortest path from the lot that was asked for")


class Genealogy(BaseModel):
    """All lots upstream or downstream of one, and all edges between them."""

    lot: str
    direction: Direction
    lots: list[GenealogyLot]
    edges: list[Edge]


class Step(BaseModel):
    lot: str = Field(examples=["R-88213"])
    quantity: Amount = Field(description="that went from this lot into the path's next", examples=["12.5"])
    unit: Unit


class Delivery(BaseModel):
    consignee: str = Field(examples=["Sato KK"])
    delivery: str = Field(examples=["D-5512"])
    quantity: Amount = Field(examples=["20"])
    time: Time


class Affected(BaseModel):
    """A lot or serial that a recall has to reach: in process, in stock or shipped."""

    lot: str = Field(examples=["L-260105-07"])
    kind: LotKind
    product: str
    state: LotState
    unit: Unit
    in_stock: Amount = Field(examples=["460"])
    shipped: Amount = Field(examples=["20"])
    depth: int = Field(description="edges on the path; 0: the recalled lot itself")
    path: list[Step] = Field(description="the shortest way from the recalled lot; genealogy has every edge")
    deliveries: list[Delivery]


class Recall(BaseModel):
    lot: str
    affected: list[Affected]


class EdgeRow(Edge):
    """A line of genealogy as CSV."""

    direction: Direction


class AffectedRow(BaseModel):
    """A line of a recall as CSV: one a delivery, one for what is in stock or in process."""

    lot: str
    kind: LotKind
    product: str
    state: LotState
    whereabouts: str = Field(description="stock, in process, or the consignee")
    delivery: str
    quantity: Amount
    unit: Unit
    time: Time | None
    depth: int
    path: str
