"""What the API gives of archived months."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, Field

from kojo_mes.retention.archive import MANIFEST, ROWS, Class
from kojo_mes.retention.blocks import BLOCKS

Name = Annotated[str, Path(pattern=r"^(audit|readings)-\d{4}-(0[1-9]|1[0-2])$", examples=["audit-2026-01"])]


class File(StrEnum):
    MANIFEST = MANIFEST
    ROWS = ROWS
    BLOCKS = BLOCKS


class ArchiveOut(BaseModel):
    name: str = Field(description="of the folder that it is in", examples=["audit-2026-01"])
    kind: Class
    month: date = Field(description="its first day")
    rows: int
    first_id: str
    last_id: str
    root: str = Field(description="the Merkle tree hash (RFC 6962) of its rows", pattern=r"^[0-9a-f]{64}$")
    made_at: AwareDatetime
    checked_at: AwareDatetime | None = Field(description="when it was last restored and read back")
