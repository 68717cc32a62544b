"""Signatures as they stand: shown, and held against their records and the audit trail."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from http import HTTPStatus

from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Problem
from kojo_mes.signatures import lists, repository
from kojo_mes.signatures.manifestation import shown
from kojo_mes.signatures.models import SignatureRow
from kojo_mes.signatures.records import RECORDS
from kojo_mes.signatures.schemas import SignedRecords, VerifiedSignature
from kojo_mes.signatures.verification import validity


async def verified(session: ReadSession, ref: RecordRef) -> list[VerifiedSignature]:
    """On the version of `ref`, or on all versions when it names none; in the order of time."""
    return await _verified(session, await repository.of_record(session, ref))


async def one(session: ReadSession, signature_id: str) -> VerifiedSignature:
    return (await _verified(session, [await _known(session, signature_id)]))[0]


async def records_of(session: ReadSession, signature_id: str) -> SignedRecords:
    return SignedRecords(items=await lists.records(session, shown(await _known(session, signature_id))))


async def page(
    session: ReadSession,
    record_type: str | None,
    record_id: str | None,
    signer_id: str | None,
    after: str | None,
    limit: int,
) -> Page[VerifiedSignature]:
    rows = await repository.page(session, record_type, record_id, signer_id, after, limit + 1)
    verdicts = {signature.id: signature for signature in await _verified(session, rows)}
    return page_of(rows, limit, lambda row: verdicts[row.id], lambda row: (row.id,))


async def manifestations(
    session: ReadSession, record_type: str, versions: Collection[tuple[str, int]]
) -> dict[str, list[str]]:
    """For tables: the signatures on these versions of records as lines of text, by the record's id."""
    lines: dict[str, list[str]] = {record_id: [] for record_id, _ in versions}
    for row in await repository.of_versions(session, record_type, versions):
        lines[row.record_id].append(shown(row).manifestation)
    return lines


async def _known(session: ReadSession, signature_id: str) -> SignatureRow:
    row = await repository.one(session, signature_id)
    if row is None:
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", f"There is no signature {signature_id}")
    return row


async def _verified(session: ReadSession, rows: Sequence[SignatureRow]) -> list[VerifiedSignature]:
    recorded = await repository.recorded(session, [row.id for row in rows])
    answers = []
    for row in rows:
        present = RECORDS.get(row.record_type)
        record = await present(session, row.record_id, row.record_version) if present else None
        verdict, reason = validity(row, record, recorded.get(row.id))
        answers.append(VerifiedSignature(**shown(row).model_dump(), validity=verdict, reason=reason))
    return answers
