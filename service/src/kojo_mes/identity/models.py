"""Tables of people, what they hold, and devices."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from kojo_mes.kit.orm import Base

Time = DateTime(timezone=True)


class Person(Base):
    """One human being for ever: deactivated, never deleted."""

    __tablename__ = "person"

    id: Mapped[str] = mapped_column(primary_key=True)
    user_name: Mapped[str]
    name: Mapped[str]
    oidc_subject: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(Time)
    created_by: Mapped[str]
    deactivated_at: Mapped[datetime | None] = mapped_column(Time)
    version: Mapped[int] = mapped_column(default=1)


class Lockout(Base):
    """Attempts since the last good one."""

    __tablename__ = "lockout"

    person_id: Mapped[str] = mapped_column(ForeignKey(Person.id), primary_key=True)
    failures: Mapped[int]
    locked_until: Mapped[datetime | None] = mapped_column(Time)


class Password(Base):
    __tablename__ = "password"

    person_id: Mapped[str] = mapped_column(ForeignKey(Person.id), primary_key=True)
    hash: Mapped[str]
    set_at: Mapped[datetime] = mapped_column(Time)


class PasswordReset(Base):
    """A one-time token with which a person sets their own password."""

    __tablename__ = "password_reset"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey(Person.id))
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(Time)
    expires_at: Mapped[datetime] = mapped_column(Time)
    used_at: Mapped[datetime | None] = mapped_column(Time)
    voided_at: Mapped[datetime | None] = mapped_column(Time)


class RoleGrant(Base):
    __tablename__ = "role_grant"

    id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey(Person.id))
    role: Mapped[str]
    granted_by: Mapped[str]
    granted_at: Mapped[datetime] = mapped_column(Time)
    revoked_by: Mapped[str | None]
    revoked_at: Mapped[datetime | None] = mapped_column(Time)


class Qualification(Base):
    __tablename__ = "qualification"

    id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey(Person.id))
    role: Mapped[str]
    evidence: Mapped[str]
    valid_from: Mapped[datetime] = mapped_column(Time)
    valid_until: Mapped[datetime] = mapped_column(Time)
    recorded_by: Mapped[str]
    recorded_at: Mapped[datetime] = mapped_column(Time)
    revoked_by: Mapped[str | None]
    revoked_at: Mapped[datetime | None] = mapped_column(Time)


class IdentityProof(Base):
    __tablename__ = "identity_proof"

    id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey(Person.id))
    method: Mapped[str]
    evidence: Mapped[str]
    proved_by: Mapped[str]
    proved_at: Mapped[datetime] = mapped_column(Time)


class Acknowledgement(Base):
    __tablename__ = "acknowledgement"

    person_id: Mapped[str] = mapped_column(ForeignKey(Person.id), primary_key=True)
    policy: Mapped[str] = mapped_column(primary_key=True)
    acknowledged_at: Mapped[datetime] = mapped_column(Time)


class LoginSession(Base):
    __tablename__ = "login_session"

    id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey(Person.id))
    method: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(Time)
    expires_at: Mapped[datetime] = mapped_column(Time)
    revoked_at: Mapped[datetime | None] = mapped_column(Time)
    revoked_because: Mapped[str | None]


class RefreshToken(Base):
    """Used once; its successor's hash tells that it was."""

    __tablename__ = "refresh_token"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey(LoginSession.id))
    issued_at: Mapped[datetime] = mapped_column(Time)
    successor_hash: Mapped[bytes | None]


class Device(Base):
    __tablename__ = "device"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    key_hash: Mapped[bytes]
    key_set_at: Mapped[datetime] = mapped_column(Time)
    certificate_sha256: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(Time)
    deactivated_at: Mapped[datetime | None] = mapped_column(Time)
    version: Mapped[int] = mapped_column(default=1)
    skew_policy: Mapped[str | None]
    skew_ahead: Mapped[float | None]
    skew_behind: Mapped[float | None]


class DeviceEquipment(Base):
    __tablename__ = "device_equipment"

    device_id: Mapped[str] = mapped_column(ForeignKey(Device.id), primary_key=True)
    equipment_id: Mapped[str] = mapped_column(primary_key=True)
