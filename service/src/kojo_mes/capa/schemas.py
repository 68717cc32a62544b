"""What the API takes and gives of corrective and preventive actions."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from kojo_mes.capa.states import ActionState
from kojo_mes.kit.fields import Day, Flag, Text, Time, Words
from kojo_mes.nonconformance.schemas import RecordId

ACTION: dict[str, JsonValue] = {
    "kind": "corrective",
    "nonconformances": ["0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10"],
    "problem": "Bore diameter drifts upwards after eight hours",
    "root_cause": "Spindle bearing warms up; coolant flow is half of nominal",
    "action": "Coolant filter is changed weekly; flow is monitored",
    "criterion": "No signal of the bore's chart for 30 days",
    "owner": "maintenance, N. Sato",
    "due_on": "2026-02-28",
}


class ActionKind(StrEnum):
    CORRECTIVE = "corrective"  # ISO 9001 10.2
    PREVENTIVE = "preventive"  # ISO 9001 6.1


class ActionIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [ACTION]})

    kind: ActionKind
    nonconformances: Annotated[list[RecordId], Field(max_length=100)] = []
    problem: Text
    root_cause: Text
    action: Text
    criterion: Text = Field(description="by which its effectiveness is verified")
    owner: Words
    due_on: Day


class ImplementationIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"implementation": "Weekly task 4711 since 2026-01-12"}]}
    )

    implementation: Text


class VerificationIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"effective": True, "evidence": "Chart of 30 days without a signal"}]},
    )

    effective: Flag = Field(description="false opens the action again")
    evidence: Text


class ActionClosureIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"note": "Standard W-17 updated"}]})

    note: Text


class _FromRow(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ActionOut(_FromRow):
    id: str
    version: int = Field(description="as in the ETag", examples=[3])
    state: ActionState
    kind: ActionKind
    problem: str
    root_cause: str
    action: str
    criterion: str
    owner: str
    due_on: date
    opened_by: str
    opened_at: Time
    implementation: str | None
    implemented_by: str | None
    implemented_at: Time | None
    closing_note: str | None
    closed_by: str | None
    closed_at: Time | None


class VerificationOut(_FromRow):
    version: int = Field(description="of the action, that it led to", examples=[3])
    effective: bool
    evidence: str
    implemented_by: str
    verified_by: str
    verified_at: Time


class ActionDetail(ActionOut):
    nonconformances: list[str]
    verifications: list[VerificationOut]
