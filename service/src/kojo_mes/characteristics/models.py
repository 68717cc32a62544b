"""Tables of characteristics and their specifications."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, FetchedValue, ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base

TIME = DateTime(timezone=True)


class Characteristic(Base):
    __tablename__ = "characteristic"

    id: Mapped[str] = mapped_column(primary_key=True)
    product_id: Mapped[str]
    kind: Mapped[str]
    name: Mapped[dict[str, str]] = mapped_column(JSONB)
    retired_at: Mapped[datetime | None] = mapped_column(TIME)
    version: Mapped[int] = mapped_column(server_default=FetchedValue())


class Specification(Base):
    """Fixed once drafted; approval alone sets the last three columns (migration 0007)."""

    __tablename__ = "specification"

    characteristic_id: Mapped[str] = mapped_column(ForeignKey(Characteristic.id), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    unit: Mapped[str | None]
    lower_limit: Mapped[float | None]
    target: Mapped[float | None]
    upper_limit: Mapped[float | None]
    acceptance_number: Mapped[int | None]
    wanted_from: Mapped[datetime] = mapped_column(TIME)
    reason: Mapped[str]
    drafted_by: Mapped[str]
    drafted_at: Mapped[datetime] = mapped_column(TIME, server_default=FetchedValue())
    effective_from: Mapped[datetime | None] = mapped_column(TIME)
    approved_by: Mapped[str | None]
    approved_role: Mapped[str | None]
