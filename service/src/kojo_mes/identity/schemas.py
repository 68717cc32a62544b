"""What the API takes and gives of people and devices."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from kojo_mes.identity.roles import JobRole
from kojo_mes.kit.fields import Text, Time, Words
from kojo_mes.kit.settings import SkewPolicy

# letters, digits, punctuation and inner spaces; no control characters
PRINTED = r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$"
UserName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{1,62}$", examples=["h.suzuki"])]
PrintedName = Annotated[str, Field(pattern=PRINTED, max_length=100, examples=["鈴木 花子"])]
Id = Annotated[str, Field(examples=["0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10"])]
PasswordIn = Annotated[SecretStr, Field(min_length=1, max_length=256, examples=["seven-brass-herons-waltz"])]
Token = Annotated[SecretStr, Field(min_length=20, max_length=200, examples=["3q2-7wEjK0mZ8f4n1vXcYt6s"])]


class In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FromRow(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Login(In):
    user_name: UserName
    password: PasswordIn


class Refresh(In):
    refresh_token: Token


class PasswordChange(Login):
    new_password: PasswordIn


class PasswordSetting(In):
    token: Token = Field(description="of the reset that an administrator made")
    new_password: PasswordIn


class Tokens(BaseModel):
    """Send `access_token` as `Authorization: Bearer`; keep `refresh_token` to get the next pair, once."""

    access_token: str
    expires_in: int = Field(description="seconds until the access token ends", examples=[600])
    refresh_token: str
    person: Id
    acknowledge: str | None = Field(
        default=None, description="the policy to acknowledge before anything else; None when that is done"
    )
    password_expires_at: AwareDatetime | None = Field(default=None, description="None without a password")


class Policy(BaseModel):
    version: str = Field(examples=["2026-1"])
    text: dict[str, str] = Field(description="by language")


class AcknowledgementIn(In):
    policy: Annotated[str, Field(pattern=PRINTED, max_length=20, examples=["2026-1"])]


class RoleHeld(FromRow):
    role: JobRole
    granted_by: str
    granted_at: AwareDatetime
    qualified_until: AwareDatetime | None = Field(
        default=None, description="end of the qualification that the role needs; past or None: the role is not usable"
    )
    usable: bool


class PersonOut(FromRow):
    id: Id
    user_name: UserName
    name: PrintedName
    roles: list[RoleHeld]
    oidc_subject: str | None = None
    created_at: AwareDatetime
    deactivated_at: AwareDatetime | None = None
    password_set_at: AwareDatetime | None = None
    identity_proved_at: AwareDatetime | None = None
    acknowledged_at: AwareDatetime | None = None
    locked_until: AwareDatetime | None = None
    version: int


class Me(PersonOut):
    policy: Policy = Field(description="to be acknowledged at the first login")


class PersonIn(In):
    user_name: UserName = Field(description="never changes, and is never another person's")
    name: PrintedName = Field(description="as signatures print it")
    oidc_subject: Annotated[str, Field(pattern=PRINTED, max_length=255)] | None = Field(
        default=None, description="`sub` of the person at the OpenID provider"
    )


class PersonAdded(PersonOut):
    reset_token: str | None = Field(
        default=None, description="for the person to set a password with, once; shown once, not in a repeated answer"
    )


class ResetOut(BaseModel):
    person: Id
    reset_token: str | None = Field(
        default=None, description="for the person to set a password with, once; shown once, not in a repeated answer"
    )
    expires_at: AwareDatetime


class Reason(In):
    reason: Text


class RoleIn(In):
    role: JobRole


class ProofMethod(StrEnum):
    OFFICIAL_DOCUMENT = "official_document"
    PERSONNEL_RECORD = "personnel_record"
    KNOWN_IN_PERSON = "known_in_person"


class ProofIn(In):
    method: ProofMethod
    evidence: Words = Field(description="what was seen; no copy of a document's number", examples=["Driving licence"])


class QualificationIn(In):
    role: JobRole
    evidence: Words = Field(examples=["Training record TR-114"])
    valid_from: Time = Field(examples=["2026-01-05T00:00:00+09:00"])
    valid_until: Time = Field(examples=["2027-01-05T00:00:00+09:00"])


class QualificationOut(FromRow):
    id: Id
    role: JobRole
    evidence: str
    valid_from: AwareDatetime
    valid_until: AwareDatetime
    recorded_by: str
    recorded_at: AwareDatetime
    revoked_at: AwareDatetime | None = None


class Done(BaseModel):
    done: bool = True


class DeviceIn(In):
    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63, examples=["press-1-plc"])]
    equipment: Annotated[
        list[Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=63, examples=["press-1"])]],
        Field(min_length=1, max_length=1000, description="whose sensors the device may send for"),
    ]
    certificate_sha256: (
        Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="of the client certificate's DER form")] | None
    ) = None


class SkewIn(In):
    """What is left out or null is as the plant's settings say."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"policy": "flag", "ahead": 5, "behind": 600, "reason": "sends at once"}]},
    )

    policy: SkewPolicy | None = Field(default=None, description="what becomes of readings beyond it")
    ahead: Annotated[float, Field(strict=True, ge=0, le=3600)] | None = Field(
        default=None, description="seconds that the device's clock may be ahead of the service's"
    )
    behind: Annotated[float, Field(strict=True, ge=1, le=27 * 86400)] | None = Field(
        default=None, description="seconds that a reading may be old when it comes: waiting and a clock that is behind"
    )
    reason: Text


class DeviceOut(FromRow):
    id: Id
    name: str
    equipment: list[str]
    certificate_sha256: str | None = None
    skew_policy: SkewPolicy | None = Field(default=None, description="null: as the plant's settings say")
    skew_ahead: float | None = Field(default=None, description="seconds", examples=[5])
    skew_behind: float | None = Field(default=None, description="seconds", examples=[600])
    key_set_at: AwareDatetime
    deactivated_at: AwareDatetime | None = None
    version: int


class DeviceKey(DeviceOut):
    key: str | None = Field(
        default=None, description="shown once, not in a repeated answer; the service keeps its hash"
    )
