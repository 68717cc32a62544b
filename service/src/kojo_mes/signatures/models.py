"""Tables of electronic signatures."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base


class SignatureRow(Base):
    """Append-only; migration 0005 says how."""

    __tablename__ = "signature"

    id: Mapped[str] = mapped_column(primary_key=True)
    record_type: Mapped[str]
    record_id: Mapped[str]
    record_version: Mapped[int]
    record_digest: Mapped[bytes]
    meaning: Mapped[str]
    signer_id: Mapped[str]
    user_name: Mapped[str]
    printed_name: Mapped[str]
    role: Mapped[str]
    signed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    time_zone: Mapped[str]
    authentication: Mapped[str]
    clock_status: Mapped[str]
    clock_error: Mapped[float | None]
    session_id: Mapped[str]
    request_id: Mapped[str]


class SignedListItem(Base):
    """A record's version on a list that is signed as one; append-only (migration 0021)."""

    __tablename__ = "signed_list_item"

    list_id: Mapped[str] = mapped_column(primary_key=True)
    record_type: Mapped[str] = mapped_column(primary_key=True)
    record_id: Mapped[str] = mapped_column(primary_key=True)
    record_version: Mapped[int] = mapped_column(primary_key=True)
    record_digest: Mapped[bytes]


class SigningSession(Base):
    """A continuous period of signing, 21 CFR 11.200(a)(1)."""

    __tablename__ = "signing_session"

    session_id: Mapped[str] = mapped_column(primary_key=True)
    signer_id: Mapped[str]
    last_signed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
