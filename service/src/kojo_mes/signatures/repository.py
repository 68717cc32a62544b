"""SQL of electronic signatures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text, tuple_

from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.signatures.models import SignatureRow, SigningSession

ACTION = "signatures:sign"
RECORD_TYPE = "signature"

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


async def one(session: ReadSession, signature_id: str) -> SignatureRow | None:
    return await session.get(SignatureRow, signature_id)


async def of_record(session: ReadSession, ref: RecordRef) -> Sequence[SignatureRow]:
    """On the version of `ref`, or on all versions when it names none; in the order of time."""
    query = select(SignatureRow).where(SignatureRow.record_type == ref.type, SignatureRow.record_id == ref.id)
    if ref.version is not None:
        query = query.where(SignatureRow.record_version == ref.version)
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
    query = select(SignatureRow).order_by(SignatureRow.id).limit(limit)
    for column, wanted in (
        (SignatureRow.record_type, record_type),
        (SignatureRow.record_id, record_id),
        (SignatureRow.signer_id, signer_id),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    if after is not None:
        query = query.where(SignatureRow.id > after)
    return (await session.scalars(query)).all()


async def recorded(session: ReadSession, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """What the audit trail says was signed, by the signature's id."""
    rows = await session.execute(RECORDED, {"record_type": RECORD_TYPE, "ids": list(ids), "action": ACTION})
    return {row.id: row.new for row in rows}
