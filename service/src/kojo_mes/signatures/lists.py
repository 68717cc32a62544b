"""Several records under one signature: what is signed is a list, whose digest covers each of them in its version."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from kojo_mes.identity.roles import JobRole
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.canonical import digest
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.security import Actor
from kojo_mes.kit.writes import Denied
from kojo_mes.signatures import repository, service
from kojo_mes.signatures.models import SignedListItem
from kojo_mes.signatures.repository import LIST, LIST_ACTION
from kojo_mes.signatures.schemas import Credentials, Meaning, Signature, SignedRecord
from kojo_mes.signatures.verification import Present

VERSION = 1  # a list never changes
Records = Mapping[str, Callable[[ReadSession, str, int], Awaitable[Present | None]]]


async def sign(
    session: WriteSession,
    actor: Actor,
    credentials: Credentials,
    digests: Mapping[RecordRef, bytes],
    meaning: Meaning,
    role: JobRole,
) -> Signature:
    """The actor's one signature on all these versions, each with the SHA-256 of its canonical JSON.

    Raises as service.sign; each of the records remembers the attempt.
    """
    ref = RecordRef(LIST, new_id(), VERSION)
    items = await repository.add_list(session, ref.id, digests)
    await audit.record(session, actor, LIST_ACTION, ref, new={"items": [item.model_dump() for item in _shown(items)]})
    try:
        return await service.sign(session, actor, credentials, ref, _digest(items), meaning, role)
    except Denied as denied:
        if denied.ref == ref:  # it is rolled back
            denied.ref, *denied.others = digests
        raise


async def records(session: ReadSession, signature: Signature) -> list[SignedRecord]:
    """What a signature was given on: one record, or those of a list."""
    if signature.record_type != LIST:
        return [SignedRecord.model_validate(signature.model_dump(include=set(SignedRecord.model_fields)))]
    return _shown(await repository.listed(session, signature.record_id))


async def present(known: Records, session: ReadSession, list_id: str, _version: int) -> Present | None:
    """For signatures/records.py: a list is as it was signed while every version on it is."""
    items = await repository.listed(session, list_id)
    if not items:
        return None
    for item in items:
        of_its_type = known.get(item.record_type)  # none: the list was tampered with
        record = await of_its_type(session, item.record_id, item.record_version) if of_its_type else None
        if record is None or record.signed_digest != item.record_digest:
            what = f"version {item.record_version} of {item.record_type} {item.record_id}"
            return Present(VERSION, b"", f"{what}, which is on it, is not as it was signed")
    return Present(VERSION, _digest(items))


def _digest(items: Sequence[SignedListItem]) -> bytes:
    content = [item.model_dump() for item in _shown(items)]
    return digest({"type": LIST, "id": items[0].list_id, "version": VERSION, "items": content})


def _shown(items: Sequence[SignedListItem]) -> list[SignedRecord]:
    return [
        SignedRecord(
            record_type=item.record_type,
            record_id=item.record_id,
            record_version=item.record_version,
            record_digest=item.record_digest.hex(),
        )
        for item in items
    ]
