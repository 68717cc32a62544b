"""What the API takes and gives of electronic signatures."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from kojo_mes.identity.roles import JobRole


class Meaning(StrEnum):
    """What a signature says of its record, 21 CFR 11.50(a)(3)."""

    AUTHORSHIP = "authorship"
    REVIEW = "review"
    APPROVAL = "approval"
    REJECTION = "rejection"
    RELEASE = "release"
    DISPOSITION = "disposition"
    VERIFICATION = "verification"
    RESPONSIBILITY = "responsibility"  # for acting without the approvals that are else needed


class Authentication(StrEnum):
    """Which components were given at the signing, 21 CFR 11.200(a)(1)."""

    USER_NAME_AND_PASSWORD = "user-name-and-password"  # noqa: S105  # a name, not a secret
    PASSWORD = "password"  # noqa: S105


class ClockStatus(StrEnum):
    SYNCHRONISED = "synchronised"
    UNCHECKED = "unchecked"  # KOJO_MES_CLOCK_CHECK is off


class Validity(StrEnum):
    VALID = "valid"
    SUPERSEDED = "superseded"  # valid for the version that was signed; the record has a later one
    INVALID = "invalid"


class Credentials(BaseModel):
    """The two components of a signature that isn't biometric."""

    model_config = ConfigDict(extra="forbid")

    user_name: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None,
        description="needed for a session's first signature and after a pause; else the password is enough",
        examples=["aiko.tanaka"],
    )
    password: Annotated[SecretStr, Field(min_length=1, max_length=256, examples=["seven-brass-herons-waltz"])]


class SignatureIn(Credentials):
    """A signature that a request is made with."""

    role: JobRole = Field(description="in which of their job roles the person signs")


class Signature(BaseModel):
    """An electronic signature with its manifestation (21 CFR 11.50) and its link to the record (11.70)."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10"])
    record_type: str = Field(description="signed-list: several records at once", examples=["change-request"])
    record_id: str = Field(examples=["0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d11"])
    record_version: int = Field(examples=[2])
    record_digest: str = Field(
        description="SHA-256 of the signed version's canonical JSON (RFC 8785), hexadecimal", examples=["9f" * 32]
    )
    meaning: Meaning
    signer_id: str = Field(description="belongs to one person for ever (11.100)")
    user_name: str = Field(examples=["aiko.tanaka"])
    printed_name: str = Field(description="as it was at the signing", examples=["田中 愛子"])
    role: JobRole
    signed_at: AwareDatetime = Field(description="UTC, the database server's clock")
    time_zone: str = Field(description="in which the time is shown to people", examples=["Asia/Tokyo"])
    authentication: Authentication
    clock_status: ClockStatus
    clock_error: float | None = Field(
        description="upper bound of the error of `signed_at`, s; null when unchecked", examples=[0.012]
    )
    manifestation: str = Field(
        description="name, role, meaning and time as a line of text, for every readable form of the record",
        examples=["田中 愛子 (quality_manager) · approval · 2026-01-05 17:30:00 +0900 (2026-01-05T08:30:00Z)"],
    )


class SignedRecord(BaseModel):
    """A version of a record that a signature was given on."""

    record_type: str = Field(examples=["lot"])
    record_id: str = Field(examples=["SN-000042"])
    record_version: int = Field(examples=[2])
    record_digest: str = Field(description="SHA-256 of the version's canonical JSON, hexadecimal", examples=["9f" * 32])


class SignedRecords(BaseModel):
    items: list[SignedRecord]


class VerifiedSignature(Signature):
    """A signature, and what became of the record that it stands on."""

    validity: Validity
    reason: str = Field(examples=["record and signature are as they were signed"])
