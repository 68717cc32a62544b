"""Tables of work orders."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import DateTime, FetchedValue, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base
from kojo_mes.lines.models import Line


class WorkOrder(Base):
    """Never deleted. State, version and times: migration 0008 says how they move."""

    __tablename__ = "work_order"

    id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(ForeignKey(Line.id))
    product_id: Mapped[str]
    quantity: Mapped[Decimal]
    unit: Mapped[str]
    due: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    version: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=FetchedValue())
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
