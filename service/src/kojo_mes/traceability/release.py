"""The release of a lot: two signatures on one version of it, and nothing of quality left open (ISO 9001 8.6)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from http import HTTPStatus

from sqlalchemy import Row

from kojo_mes.identity.roles import JobRole
from kojo_mes.kit import audit
from kojo_mes.kit.database import WriteSession
from kojo_mes.kit.problems import Fault
from kojo_mes.kit.security import Actor
from kojo_mes.kit.versions import require
from kojo_mes.kit.writes import Denied
from kojo_mes.signatures import service as signatures
from kojo_mes.signatures.schemas import Meaning, Signature, SignatureIn
from kojo_mes.traceability import record, repository
from kojo_mes.traceability.models import Lot
from kojo_mes.traceability.schemas import LotOut, ReleaseIn
from kojo_mes.traceability.service import known, values_of
from kojo_mes.traceability.states import RELEASERS, REVIEWERS, TRANSITIONS, LotState


async def review(session: WriteSession, actor: Actor, lot_id: str, version: int, signature: SignatureIn) -> Signature:
    """The audit review: signed on the lot's present version, and void with its next."""
    lot = await _locked(session, lot_id, version)
    TRANSITIONS.check(record.reference(lot), LotState(lot.state), LotState.RELEASED)
    return await _sign(session, actor, lot, signature, Meaning.REVIEW, REVIEWERS)


async def release(session: WriteSession, actor: Actor, lot_id: str, version: int, wanted: ReleaseIn) -> LotOut:
    lot = await _locked(session, lot_id, version)
    old = LotOut.model_validate(lot)
    if lot.released_at is not None or lot.state != LotState.ON_HOLD:
        TRANSITIONS.check(record.reference(lot), LotState(lot.state), LotState.RELEASED)
    reviewed = await _audit_review(session, lot)
    missing = await _missing(session, lot)
    if reviewed is None:
        missing["review"] = f"an audit review signature on version {lot.version}"
    if wanted.signature is None:
        missing["release"] = "a release signature"
    if missing or reviewed is None or wanted.signature is None:
        raise _incomplete(lot, missing)
    signed = await _sign(session, actor, lot, wanted.signature, Meaning.RELEASE, RELEASERS)
    values = {
        "state": LotState.RELEASED,
        "signed_version": lot.version,
        "reviewed_by": reviewed.signer_id,
        "reviewer_role": reviewed.role,
        "released_by": signed.signer_id,
    }
    row = await repository.change(session, lot_id, values)
    released = LotOut.model_validate(row)
    new = values_of(released)
    await audit.record(session, actor, "traceability:release", record.reference(row), old=values_of(old), new=new)
    return released


async def _locked(session: WriteSession, lot_id: str, version: int) -> Lot:
    await known(session, lot_id)
    lot = (await repository.lock(session, [lot_id]))[lot_id]
    require(lot.version, version)
    return lot


async def _audit_review(session: WriteSession, lot: Lot) -> Signature | None:
    """A review that was signed on what the lot is now."""
    digest = (await record.record_digest(session, lot, lot.version)).hex()
    for signature in await signatures.signatures_of(session, record.reference(lot)):
        if (signature.meaning, signature.record_digest) == (Meaning.REVIEW, digest) and signature.role in REVIEWERS:
            return signature
    return None


async def _missing(session: WriteSession, lot: Lot) -> dict[str, str]:
    missing = {}
    if lot.on_hand == 0:
        missing["on_hand"] = "something to release: the lot is empty"
    if holds := await repository.active_holds(session, lot.id):
        missing["holds"] = f"the end of {_named('hold', holds)}"
    if found := await repository.open_nonconformances(session, lot.id):
        missing["nonconformances"] = f"the closure of {_named('nonconformance', found)}"
    return missing


def _named(what: str, rows: Sequence[Row[tuple[str, str]]]) -> str:
    return ", ".join(f"{what} {row.id}" for row in rows)


def _incomplete(lot: Lot, missing: dict[str, str]) -> Denied:
    title = f"Lot {lot.id} can't be released"
    denied = Denied(
        record.reference(lot),
        LotState.RELEASED,
        title,
        f"Missing: {'; '.join(missing.values())}.",
        kind="not-releasable",
    )
    denied.document.errors = [
        Fault(place="record", field=field, detail=f"{detail} is missing") for field, detail in missing.items()
    ]
    return denied


async def _sign(
    session: WriteSession,
    actor: Actor,
    lot: Lot,
    signature: SignatureIn,
    meaning: Meaning,
    roles: Collection[JobRole],
) -> Signature:
    ref = record.reference(lot)
    if signature.role not in roles:
        title = f"A {signature.role} doesn't sign a lot's {meaning}"
        detail = f"Possible: {', '.join(sorted(roles))}."
        raise Denied(ref, meaning, title, detail, status=HTTPStatus.FORBIDDEN, kind="not-permitted")
    digest = await record.record_digest(session, lot, lot.version)
    return await signatures.sign(session, actor, signature, ref, digest, meaning, signature.role)
