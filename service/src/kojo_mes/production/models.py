"""The table of production counts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, FetchedValue, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base
from kojo_mes.kit.sources import RECORD
from kojo_mes.lines.models import Line
from kojo_mes.products.models import Product


class ProductionCount(Base):
    """Units of a product from `from_time` up to before `to_time`; a line counts no product's time twice."""

    __tablename__ = "production_count"

    id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(ForeignKey(Line.id))
    product_id: Mapped[str] = mapped_column(ForeignKey(Product.id))
    from_time: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    to_time: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    good: Mapped[int]
    scrap: Mapped[int]
    rework: Mapped[int]
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=FetchedValue())
    late_entry_reason: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1)
    source: Mapped[str] = mapped_column(default=RECORD)
