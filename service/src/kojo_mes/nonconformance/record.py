"""The record that a disposition's signature stands on."""

from __future__ import annotations

from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.canonical import digest
from kojo_mes.kit.database import ReadSession
from kojo_mes.nonconformance import repository
from kojo_mes.nonconformance.models import Nonconformance
from kojo_mes.signatures.verification import Present

TYPE = "nonconformance"


def reference(row: Nonconformance) -> RecordRef:
    return RecordRef(TYPE, row.id, row.version)


def content_digest(
    row: Nonconformance, version: int, disposition: str, justification: str, concession: str | None
) -> bytes:
    """SHA-256 of the canonical JSON of what is disposed of, and how."""
    return digest(
        {
            "type": TYPE,
            "id": row.id,
            "version": version,
            "source": row.source,
            "description": row.description,
            "line": row.line_id,
            "product": row.product_id,
            "lot": row.lot_id,
            "serial": row.serial,
            "characteristic": row.characteristic_id,
            "opened_by": row.opened_by,
            "opened_at": row.opened_at,
            "disposition": disposition,
            "justification": justification,
            "concession": concession,
        }
    )


async def present(session: ReadSession, nonconformance: str, version: int) -> Present | None:
    """For signatures/records.py. A closure leaves the disposition as it is: only another one supersedes it."""
    row = await repository.find(session, nonconformance)
    if row is None:
        return None
    signed = await repository.disposition(session, nonconformance, version)
    found = (
        content_digest(row, version, signed.disposition, signed.justification, signed.concession) if signed else None
    )
    return Present(row.disposition_version or row.version, found)
