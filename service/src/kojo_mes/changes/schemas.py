"""What the API takes and gives of change requests."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from kojo_mes.identity.roles import JobRole
from kojo_mes.kit.fields import Flag, Text, Time, Words
from kojo_mes.signatures.schemas import SignatureIn, VerifiedSignature

DIGEST = "3b" * 32


class ChangeState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    USED = "used"
    CLOSED = "closed"


class ReviewState(StrEnum):
    """Of a break-glass: it is answered for afterwards."""

    DUE = "due"
    OVERDUE = "overdue"
    DONE = "done"


class Basis(StrEnum):
    """What a change may be carried out on."""

    APPROVALS = "two-approvals"
    BREAK_GLASS = "break-glass"


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256, hexadecimal", examples=[DIGEST])]
Plant = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", examples=["plant_a"])]

CONTENT: dict[str, Any] = {
    "what": "kojo-mes 1.4.0 on both application hosts",
    "why": "line 3 needs the new packer's counters",
    "impact": "no downtime expected; readings are taken by the other colour meanwhile",
    "rollback_plan": "playbooks/rollback.yml: back to 1.3.2, which fits the schema",
    "artefact_digest": DIGEST,
    "plant": "plant_a",
    "window_start": "2026-12-01T13:00:00Z",
    "window_end": "2026-12-01T16:00:00Z",
    "during_production": False,
}


class ChangeContent(BaseModel):
    """What is asked for: what a signature stands for."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [CONTENT]})

    what: Text
    why: Text
    impact: Text = Field(description="on product quality, safety, environment and running lines")
    rollback_plan: Text
    artefact_digest: Digest
    plant: Plant
    window_start: Time
    window_end: Time = Field(description="the change may be carried out from window_start until just before")
    during_production: Flag = Field(default=False, description="may fall into a production window of the plant")

    @field_validator("window_end")
    @classmethod
    def _after_its_start(cls, value: datetime, info: ValidationInfo) -> datetime:
        if "window_start" in info.data and value <= info.data["window_start"]:
            raise ValueError("is to be later than window_start")
        return value


class Approve(BaseModel):
    model_config = ConfigDict(extra="forbid")

    signature: SignatureIn


class Reject(BaseModel):
    model_config = ConfigDict(extra="forbid")

    signature: SignatureIn
    reason: Text


class Withdraw(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Text


class BreakGlassIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    signature: SignatureIn
    reason: Text = Field(description="why the approvals can't be waited for")


class ReviewIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    signature: SignatureIn
    conclusion: Text = Field(description="was it justified, what follows from it")


class Close(BaseModel):
    model_config = ConfigDict(extra="forbid")

    note: Text = Field(description="what the change did: the result against what was expected")


class Use(BaseModel):
    """One carrying out of a change."""

    model_config = ConfigDict(extra="forbid")

    digest: Digest
    plant: Plant
    reference: Words = Field(
        description="what uses it, for instance a run of deploy.yml", examples=["deploy 2026-12-01T13:04:11Z mon1"]
    )


class Approver(BaseModel):
    person: str = Field(description="id of the person")
    role: JobRole


class UseOut(BaseModel):
    at: AwareDatetime
    by: str
    reference: str


class BreakGlass(BaseModel):
    person: str = Field(description="id of who answers for it")
    role: JobRole
    reason: str
    at: AwareDatetime
    until: AwareDatetime = Field(description="it authorises until then")
    review: ReviewState
    review_due_at: AwareDatetime
    reviewed_by: str | None
    reviewed_at: AwareDatetime | None
    conclusion: str | None


class Change(BaseModel):
    """A change request as it stands. `version` counts every change of it, `revision` those of its content."""

    id: str = Field(examples=["0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d11"])
    version: int
    revision: int = Field(description="what signatures are given on")
    state: ChangeState
    requester: str = Field(description="id of the person")
    requester_name: str
    created_at: AwareDatetime
    changed_at: AwareDatetime
    content: ChangeContent
    record_digest: str = Field(description="SHA-256 of the revision's canonical JSON, which signatures carry")
    approvals: list[Approver] = Field(description="of this revision; two people in two roles make it approved")
    use: UseOut | None
    break_glass: BreakGlass | None
    closing_note: str | None


class Authorisation(BaseModel):
    """May this artefact be brought to this plant under this change, now?"""

    change: str
    authorised: bool
    basis: Basis | None = Field(description="null when not authorised")
    reasons: list[str] = Field(description="why not; empty when authorised", examples=[[]])
    state: ChangeState
    version: int
    revision: int
    until: AwareDatetime | None = Field(description="the answer holds until then at most")
    during_production: bool
    use: UseOut | None


class DocumentControl(BaseModel):
    """Identification and status of a controlled copy (ISO 9001 7.5.2, 7.5.3; 21 CFR 11.10(k))."""

    document: str = Field(description="record type and id", examples=["change-request 0190a6f2-5d1c-7cc1-a7f0"])
    revision: int
    status: ChangeState
    author: str
    revised_at: AwareDatetime
    record_digest: str
    retention_years: int = Field(examples=[7])
    copied_at: AwareDatetime
    copied_by: str


class ControlledCopy(BaseModel):
    """A complete copy for people and machines, 21 CFR 11.10(b): content, status, and its signatures as verified now."""

    control: DocumentControl
    change: Change
    revisions: list[Revision] = Field(description="all, the first one first")
    signatures: list[VerifiedSignature] = Field(description="on any revision, in the order of time")


class Revision(BaseModel):
    revision: int
    written_at: AwareDatetime
    content: ChangeContent
    record_digest: str


ControlledCopy.model_rebuild()
