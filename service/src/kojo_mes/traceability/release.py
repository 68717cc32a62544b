"""The release of lots: audit review and release are signed on one version by two people, and nothing of quality is left
open (ISO 9001 8.6). One signature may stand for several lots or serials: it then stands on the list of them.

Two people, because whoever releases relies on the review (FDA, Data Integrity, 2018, question 8): by oneself it would
be no second look, and the release of a product is a critical act of one person alone (IEC 62443-3-3 SR 2.1 RE 4).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from sqlalchemy import Row

from kojo_mes.identity.roles import JobRole
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import WriteSession
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.versions import require
from kojo_mes.kit.writes import Denied
from kojo_mes.signatures import lists, verifying
from kojo_mes.signatures import service as signatures
from kojo_mes.signatures.repository import LIST
from kojo_mes.signatures.schemas import Meaning, Signature, SignatureIn, Validity
from kojo_mes.traceability import record, repository
from kojo_mes.traceability.models import Lot
from kojo_mes.traceability.schemas import LotOut, Released, ReleaseIn, ReleasesIn, ReviewsIn, Seen
from kojo_mes.traceability.service import known, values_of
from kojo_mes.traceability.states import RELEASERS, REVIEWERS, TRANSITIONS, LotState

Verdicts = dict[str, Validity]  # by signature: one that stands for many is verified once


@dataclass(frozen=True)
class Candidate:
    """A lot that is to be released, and what it lacks for that, by field."""

    lot: Lot
    reviewed: Signature | None
    missing: Mapping[str, str]


async def review(session: WriteSession, actor: Actor, lot_id: str, version: int, signature: SignatureIn) -> Signature:
    """The audit review: signed on the lot's present version, and void with its next."""
    lot = await _locked(session, lot_id, version)
    _refuse_unreleasable(lot)
    _refuse_role(signature, Meaning.REVIEW, REVIEWERS, lot)
    return await _sign(session, actor, lot, signature, Meaning.REVIEW)


async def review_all(session: WriteSession, actor: Actor, wanted: ReviewsIn) -> Signature:
    """One audit review of several lots and serials."""
    lots = await _all_locked(session, wanted.lots)
    for lot in lots:
        _refuse_unreleasable(lot)
    _refuse_role(wanted.signature, Meaning.REVIEW, REVIEWERS, *lots)
    return await _sign_all(session, actor, lots, wanted.signature, Meaning.REVIEW)


async def release(session: WriteSession, actor: Actor, lot_id: str, version: int, wanted: ReleaseIn) -> LotOut:
    candidate = await _candidate(session, actor, await _locked(session, lot_id, version), {})
    missing = dict(candidate.missing)
    if wanted.signature is None:
        missing["release"] = "a release signature"
    if missing or wanted.signature is None:
        raise _incomplete(candidate.lot, missing)
    _refuse_role(wanted.signature, Meaning.RELEASE, RELEASERS, candidate.lot)
    signed = await _sign(session, actor, candidate.lot, wanted.signature, Meaning.RELEASE)
    return await _release(session, actor, candidate, signed)


async def release_all(session: WriteSession, actor: Actor, wanted: ReleasesIn) -> Released:
    """All of them by one signature, or none."""
    lots = await _all_locked(session, wanted.lots)
    verdicts: Verdicts = {}
    candidates = [await _candidate(session, actor, lot, verdicts) for lot in lots]
    if any(candidate.missing for candidate in candidates):
        raise _all_incomplete(candidates)
    _refuse_role(wanted.signature, Meaning.RELEASE, RELEASERS, *lots)
    signed = await _sign_all(session, actor, lots, wanted.signature, Meaning.RELEASE)
    return Released(
        signature=signed, lots=[await _release(session, actor, candidate, signed) for candidate in candidates]
    )


async def _release(session: WriteSession, actor: Actor, candidate: Candidate, signed: Signature) -> LotOut:
    lot, reviewed = candidate.lot, candidate.reviewed
    assert reviewed is not None, "a candidate that lacks nothing"
    old = LotOut.model_validate(lot)
    values = {
        "state": LotState.RELEASED,
        "signed_version": lot.version,
        "reviewed_by": reviewed.signer_id,
        "reviewer_role": reviewed.role,
        "released_by": signed.signer_id,
        "review_list": _list_of(reviewed),
        "release_list": _list_of(signed),
    }
    row = await repository.change(session, lot.id, values)
    released = LotOut.model_validate(row)
    new = values_of(released)
    await audit.record(session, actor, "traceability:release", record.reference(row), old=values_of(old), new=new)
    return released


def _list_of(signature: Signature) -> str | None:
    return signature.record_id if signature.record_type == LIST else None


async def _locked(session: WriteSession, lot_id: str, version: int) -> Lot:
    await known(session, lot_id)
    lot = (await repository.lock(session, [lot_id]))[lot_id]
    require(lot.version, version)
    return lot


async def _all_locked(session: WriteSession, seen: Sequence[Seen]) -> list[Lot]:
    """In the order of the request. 422 names those that there aren't, 409 those that have changed since."""
    found = await repository.lock(session, [item.lot for item in seen])
    unknown = [
        Fault(place="body", index=index, field="lot", detail=f"there is no lot or serial {item.lot}")
        for index, item in enumerate(seen)
        if item.lot not in found
    ]
    if unknown:
        raise invalid(unknown)
    changed = [
        Fault(place="body", index=index, field="version", detail=f"{item.lot} has version {found[item.lot].version}")
        for index, item in enumerate(seen)
        if found[item.lot].version != item.version
    ]
    if changed:
        title = f"{len(changed)} of {len(seen)} lots have changed since they were seen"
        raise Problem(HTTPStatus.CONFLICT, "version-changed", title, "Look at them again.", changed)
    return [found[item.lot] for item in seen]


async def _candidate(session: WriteSession, actor: Actor, lot: Lot, verdicts: Verdicts) -> Candidate:
    if lot.released_at is not None or lot.state != LotState.ON_HOLD:
        _refuse_unreleasable(lot)
    missing = {}
    if lot.on_hand == 0:
        missing["on_hand"] = "something to release: the lot is empty"
    if holds := await repository.active_holds(session, lot.id):
        missing["holds"] = f"the end of {_named('hold', holds)}"
    if found := await repository.open_nonconformances(session, lot.id):
        missing["nonconformances"] = f"the closure of {_named('nonconformance', found)}"
    reviews = await _audit_reviews(session, lot, verdicts)
    by_another = next((signature for signature in reviews if signature.signer_id != actor.id), None)
    if by_another is None:
        missing["review"] = f"an audit review signature on version {lot.version}"
        if reviews:
            missing["review"] += " by another person than who releases (lot_is_released_by_another)"
    return Candidate(lot, by_another, missing)


async def _audit_reviews(session: WriteSession, lot: Lot, verdicts: Verdicts) -> list[Signature]:
    """Those on the lot's present version that stand."""
    found = [
        signature
        for signature in await signatures.signatures_of(session, record.reference(lot))
        if signature.meaning == Meaning.REVIEW and signature.role in REVIEWERS
    ]
    for signature in found:
        if signature.id not in verdicts:
            verdicts[signature.id] = (await verifying.one(session, signature.id)).validity
    return [signature for signature in found if verdicts[signature.id] is Validity.VALID]


def _named(what: str, rows: Sequence[Row[tuple[str, str]]]) -> str:
    return ", ".join(f"{what} {row.id}" for row in rows)


def _refuse_unreleasable(lot: Lot) -> None:
    TRANSITIONS.check(record.reference(lot), LotState(lot.state), LotState.RELEASED)


def _refuse_role(signature: SignatureIn, meaning: Meaning, roles: Collection[JobRole], *lots: Lot) -> None:
    if signature.role not in roles:
        title = f"A {signature.role} doesn't sign a lot's {meaning}"
        detail = f"Possible: {', '.join(sorted(roles))}."
        denied = Denied(
            record.reference(lots[0]), meaning, title, detail, status=HTTPStatus.FORBIDDEN, kind="not-permitted"
        )
        denied.others = [record.reference(lot) for lot in lots[1:]]
        raise denied


def _incomplete(lot: Lot, missing: Mapping[str, str]) -> Denied:
    return Denied(
        record.reference(lot),
        LotState.RELEASED,
        f"Lot {lot.id} can't be released",
        f"Missing: {'; '.join(missing.values())}.",
        kind="not-releasable",
        errors=[Fault(place="record", field=field, detail=f"{detail} is missing") for field, detail in missing.items()],
    )


def _all_incomplete(candidates: Sequence[Candidate]) -> Denied:
    """Each of those that lack something remembers the attempt."""
    lacking = [candidate for candidate in candidates if candidate.missing]
    first, *others = (record.reference(candidate.lot) for candidate in lacking)
    denied = Denied(
        first,
        LotState.RELEASED,
        f"{len(lacking)} of {len(candidates)} lots can't be released",
        "None was.",
        kind="not-releasable",
        errors=[
            Fault(place="body", index=index, field=field, detail=f"{candidate.lot.id}: {detail} is missing")
            for index, candidate in enumerate(candidates)
            for field, detail in candidate.missing.items()
        ],
    )
    denied.others = others
    return denied


async def _sign(session: WriteSession, actor: Actor, lot: Lot, signature: SignatureIn, meaning: Meaning) -> Signature:
    digest = await record.record_digest(session, lot, lot.version)
    return await signatures.sign(session, actor, signature, record.reference(lot), digest, meaning, signature.role)


async def _sign_all(
    session: WriteSession, actor: Actor, lots: Sequence[Lot], signature: SignatureIn, meaning: Meaning
) -> Signature:
    digests: dict[RecordRef, bytes] = {
        record.reference(lot): await record.record_digest(session, lot, lot.version) for lot in lots
    }
    return await lists.sign(session, actor, signature, digests, meaning, signature.role)
