"""The record that a signature on a change request stands on."""

from __future__ import annotations

from kojo_mes.changes import repository
from kojo_mes.changes.models import ChangeRequest, ChangeRevision
from kojo_mes.changes.schemas import ChangeContent
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.canonical import digest
from kojo_mes.kit.database import ReadSession
from kojo_mes.signatures.verification import Present

TYPE = "change-request"


def reference(row: ChangeRequest) -> RecordRef:
    return RecordRef(TYPE, row.id, row.revision)


def content_of(revision: ChangeRevision) -> ChangeContent:
    return ChangeContent.model_construct(**{name: getattr(revision, name) for name in ChangeContent.model_fields})


def record_digest(row: ChangeRequest, revision: ChangeRevision) -> bytes:
    """SHA-256 of the canonical JSON of one revision: which change, whose, and all of its content."""
    return digest(
        {
            "type": TYPE,
            "id": row.id,
            "revision": revision.revision,
            "requester": row.requester_id,
            **content_of(revision).model_dump(),
        }
    )


async def present(session: ReadSession, change_id: str, version: int) -> Present | None:
    """For signatures/records.py."""
    row = await repository.request(session, change_id)
    if row is None:
        return None
    signed = await repository.revision(session, change_id, version)
    return Present(row.revision, record_digest(row, signed) if signed else None)
