"""The record that an approval's signature stands on: one version of a specification."""

from __future__ import annotations

from datetime import datetime

from kojo_mes.characteristics import repository
from kojo_mes.characteristics.models import Specification
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.canonical import digest
from kojo_mes.kit.database import ReadSession
from kojo_mes.signatures.verification import Present

TYPE = "specification"


def reference(characteristic: str, version: int) -> RecordRef:
    """Each version is a record of its own, which no later version supersedes."""
    return RecordRef(TYPE, f"{characteristic}/{version}", version)


def content_digest(row: Specification, effective_from: datetime | None) -> bytes:
    """SHA-256 of the canonical JSON of all that the specification says, and from when."""
    return digest(
        {
            "type": TYPE,
            "characteristic": row.characteristic_id,
            "version": row.version,
            "kind": row.kind,
            "unit": row.unit,
            "lower_limit": row.lower_limit,
            "target": row.target,
            "upper_limit": row.upper_limit,
            "acceptance_number": row.acceptance_number,
            "reason": row.reason,
            "drafted_by": row.drafted_by,
            "drafted_at": row.drafted_at,
            "effective_from": effective_from,
        }
    )


async def present(session: ReadSession, record_id: str, version: int) -> Present | None:
    """For signatures/records.py."""
    row = await repository.specification(session, record_id.rpartition("/")[0], version)
    return Present(version, content_digest(row, row.effective_from)) if row else None
