"""SQL of electronic signatures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, insert, or_, select, text, tuple_

from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.signatures.models import SignatureRow, SignedListItem, SigningSession

ACTION, LIST_ACTION = "signatures:sign", "signatures:list"
RECORD_TYPE = "signature"
LIST = "signed-list"  # the type of a record that is several records' versions

CONTINUE = text("""
    INSERT INTO mes.signing_session (session_id, signer_id, last_signed_at) VALUES (:session_id, :signer_id, :now)
    ON CONFLICT (session_id) DO UPDATE SET last_signed_at = excluded.last_signed_at
""")
FORGET = text("DELETE FROM mes.signing_session WHERE last_signed_at < :before")
RECORDED = text("""
    SELECT record_id AS id, new FROM mes.audit_event
    WHERE record_type = :record_type AND record_id = ANY(:ids) AND action = :action
""")


async def signing_session(session: WriteSession, session_id: str) -> SigningSession | None:
    """Locked: two signatures at once of one session are one after the other."""
    return await session.get(SigningSession, session_id, with_for_update=True, populate_existing=True)


async def continue_session(session: WriteSession, session_id: str, signer_id: str, moment: datetime) -> None:
    await session.execute(CONTINUE, {"session_id": session_id, "signer_id": signer_id, "now": moment})


async def forget_sessions(session: WriteSession, before: datetime) -> None:
    await session.execute(FORGET, {"before": before})


async def already(session: ReadSession, ref: RecordRef, meaning: str, signer_id: str) -> bool:
    query = select(SignatureRow.id).where(
        SignatureRow.record_type == ref.type,
        SignatureRow.record_id == ref.id,
        SignatureRow.record_version == ref.version,
        SignatureRow.meaning == meaning,
        SignatureRow.signer_id == signer_id,
    )
    return (await session.execute(query)).first() is not None


async def add(session: WriteSession, row: SignatureRow) -> None:
    session.add(row)
    await session.flush()


async def add_list(session: WriteSession, list_id: str, digests: Mapping[RecordRef, bytes]) -> Sequence[SignedListItem]:
    """In the order that the list keeps."""
    rows = [
        {
            "list_id": list_id,
            "record_type": ref.type,
            "record_id": ref.id,
            "record_version": ref.version,
            "record_digest": digest,
        }
        for ref, digest in digests.items()
    ]
    await session.execute(insert(SignedListItem), rows)
    return await listed(session, list_id)


async def listed(session: ReadSession, list_id: str) -> Sequence[SignedListItem]:
    query = select(SignedListItem).where(SignedListItem.list_id == list_id)
    order = (SignedListItem.record_type, SignedListItem.record_id, SignedListItem.record_version)
    return (await session.scalars(query.order_by(*order))).all()


async def one(session: ReadSession, signature_id: str) -> SignatureRow | None:
    return await session.get(SignatureRow, signature_id)


async def of_record(session: ReadSession, ref: RecordRef) -> Sequence[SignatureRow]:
    """On the version of `ref`, or on all versions when it names none; in the order of time."""
    query = select(SignatureRow).where(_on(record_type=ref.type, record_id=ref.id, record_version=ref.version))
    return (await session.scalars(query.order_by(SignatureRow.signed_at, SignatureRow.id))).all()


async def of_versions(
    session: ReadSession, record_type: str, versions: Collection[tuple[str, int]]
) -> Sequence[SignatureRow]:
    query = select(SignatureRow).where(
        SignatureRow.record_type == record_type,
        tuple_(SignatureRow.record_id, SignatureRow.record_version).in_(list(versions)),
    )
    return (await session.scalars(query.order_by(SignatureRow.signed_at, SignatureRow.id))).all()


async def page(
    session: ReadSession,
    record_type: str | None,
    record_id: str | None,
    signer_id: str | None,
    after: str | None,
    limit: int,
) -> Sequence[SignatureRow]:
    query = select(SignatureRow).where(_on(record_type=record_type, record_id=record_id))
    query = query.order_by(SignatureRow.id).limit(limit)
    if signer_id is not None:
        query = query.where(SignatureRow.signer_id == signer_id)
    if after is not None:
        query = query.where(SignatureRow.id > after)
    return (await session.scalars(query)).all()


async def recorded(session: ReadSession, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """What the audit trail says was signed, by the signature's id."""
    rows = await session.execute(RECORDED, {"record_type": RECORD_TYPE, "ids": list(ids), "action": ACTION})
    return {row.id: row.new for row in rows}


def _on(**wanted: str | int | None) -> ColumnElement[bool]:
    """On a record with these columns, by itself or on a list."""
    given = {name: value for name, value in wanted.items() if value is not None}
    if not given:
        return SignatureRow.id.is_not(None)
    lists = select(SignedListItem.list_id).where(
        *(getattr(SignedListItem, name) == value for name, value in given.items())
    )
    itself = and_(*(getattr(SignatureRow, name) == value for name, value in given.items()))
    return or_(itself, and_(SignatureRow.record_type == LIST, SignatureRow.record_id.in_(lists)))
