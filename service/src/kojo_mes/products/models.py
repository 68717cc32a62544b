"""Tables of products and ideal cycle times."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import DateTime, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base
from kojo_mes.lines.models import Line


class Product(Base):
    __tablename__ = "product"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[dict[str, str]] = mapped_column(JSONB)
    version: Mapped[int]


class IdealCycleTime(Base):
    """In force from `valid_from` (without: ever) up to before `valid_to` (without: still)."""

    __tablename__ = "ideal_cycle_time"

    id: Mapped[str] = mapped_column(primary_key=True)
    line_id: Mapped[str] = mapped_column(ForeignKey(Line.id))
    product_id: Mapped[str] = mapped_column(ForeignKey(Product.id))
    seconds: Mapped[Decimal]
    valid_from: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    valid_to: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    source: Mapped[str]
    reason: Mapped[str]
