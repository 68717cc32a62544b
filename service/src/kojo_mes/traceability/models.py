"""Tables of lots and of what became of their material."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import DateTime, FetchedValue, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base
from kojo_mes.orders.models import WorkOrder


class Lot(Base):
    """A lot or a serial. Never deleted; `on_hand`, `shipped`, version and times are set by triggers."""

    __tablename__ = "lot"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    product_id: Mapped[str]
    unit: Mapped[str]
    work_order_id: Mapped[str | None] = mapped_column(ForeignKey(WorkOrder.id))
    supplier: Mapped[str | None]
    supplier_lot: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    version: Mapped[int] = mapped_column(server_default=FetchedValue())
    on_hand: Mapped[Decimal] = mapped_column(server_default=FetchedValue())
    shipped: Mapped[Decimal] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=FetchedValue())
    released_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    signed_version: Mapped[int | None]
    reviewed_by: Mapped[str | None]
    reviewer_role: Mapped[str | None]
    released_by: Mapped[str | None]
    review_list: Mapped[str | None]
    release_list: Mapped[str | None]


class MaterialMovement(Base):
    """Append-only."""

    __tablename__ = "material_movement"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    lot_id: Mapped[str] = mapped_column(ForeignKey(Lot.id))
    into_lot_id: Mapped[str | None] = mapped_column(ForeignKey(Lot.id))
    work_order_id: Mapped[str | None] = mapped_column(ForeignKey(WorkOrder.id), server_default=FetchedValue())
    quantity: Mapped[Decimal]
    unit: Mapped[str]
    time: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    consignee: Mapped[str | None]
    delivery: Mapped[str | None]
    reason: Mapped[str | None]
    late_entry_reason: Mapped[str | None]
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=FetchedValue())
    lot_version: Mapped[int] = mapped_column(server_default=FetchedValue())
    into_version: Mapped[int | None] = mapped_column(server_default=FetchedValue())
