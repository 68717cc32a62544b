"""What the API takes and gives of the audit trail."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

from kojo_mes.kit.fields import Time

Storable = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
EXAMPLE: JsonValue = {"format": "pdf", "record_type": "lot", "record_id": "L-2026-001"}


class Selection(BaseModel):
    """Which events. None given: the whole trail, whose completeness its seals prove."""

    model_config = ConfigDict(extra="forbid")

    record_type: Storable | None = Field(default=None, examples=["lot"])
    record_id: Storable | None = Field(default=None, description="with `record_type`", examples=["L-2026-001"])
    actor: Storable | None = Field(default=None, description="id of the person, device or login")
    action: Storable | None = Field(default=None, examples=["lots:release"])
    start: Time | None = Field(default=None, alias="from", description="from then on")
    end: Time | None = Field(default=None, alias="to", description="up to before then")

    @model_validator(mode="after")
    def _is_one(self) -> Selection:
        if self.record_id is not None and self.record_type is None:
            raise ValueError("record_id needs record_type: ids of several types may be the same")
        if self.start and self.end and self.start >= self.end:
            raise ValueError("`to` is to be later than `from`")
        return self

    @property
    def whole(self) -> bool:
        return not (self.record_type or self.actor or self.action)

    def conditions(self) -> dict[str, str | datetime]:
        return self.model_dump(exclude_none=True, include=set(Selection.model_fields))


class Format(StrEnum):
    JSON_LINES = "jsonl"
    CSV = "csv"
    PDF = "pdf"


class ExportRequest(Selection):
    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    format: Format = Field(
        default=Format.JSON_LINES,
        description="the JSON Lines, which can be verified, come with each of them",
    )


class ActorOut(BaseModel):
    kind: str = Field(description="person, device, system, or database (a login that came past the service)")
    id: str
    name: str = Field(examples=["工場 花子"])
    roles: list[str]


class RecordOut(BaseModel):
    type: str = Field(examples=["lot"])
    id: str = Field(examples=["L-2026-001"])
    version: int | None = Field(examples=[3])


class AuditEvent(BaseModel):
    """As it is sealed: the canonical JSON of these fields is what an export's line holds."""

    id: int = Field(description="grows with time")
    at: AwareDatetime
    source: str = Field(description="service, database (past the service) or journal (another writer's)")
    actor: ActorOut
    action: str = Field(description="`domain:verb`; `denied` for what was refused", examples=["lots:release"])
    record: RecordOut
    old: Any = Field(description="the values before, null when there were none")
    new: Any = Field(description="the values after")
    reason: str | None
    request_id: str | None


class SealOut(BaseModel):
    number: int
    sealed_at: AwareDatetime
    events: int
    hash: str = Field(description="SHA-256 of the seal, which the next one names", pattern=r"^[0-9a-f]{64}$")
    signature: str = Field(description="Ed25519, in hex")
    seal: str = Field(description="what was signed: canonical JSON with ids, Merkle root and the hash before")


class ExportState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    EXPIRED = "expired"


class Export(BaseModel):
    id: str = Field(examples=["0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10"])
    state: ExportState
    request: ExportRequest
    requested_by: str = Field(description="name, as it was then", examples=["工場 花子"])
    requested_by_id: str | None = Field(description="of the person; null when it was asked for before ids were kept")
    requested_at: AwareDatetime
    finished_at: AwareDatetime | None
    events: int | None
    fault: str | None
    files: list[str] = Field(description="names; GET them under the export's own `/files/`")


class JournalOut(BaseModel):
    writer: str = Field(examples=["ansible"])
    records: int = Field(description="number of the last one that was taken in")


class JournalReceipt(BaseModel):
    """Sent after COMMIT."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"accepted": 12, "known": 3}]})

    accepted: int = Field(description="lines that were new")
    known: int = Field(description="lines that had come before")
