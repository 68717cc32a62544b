"""Change requests: asked for, approved by two people in two roles, carried out once, answered for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus

from kojo_mes.changes import repository
from kojo_mes.changes.answers import approvals_of, authorisation_of, change_of
from kojo_mes.changes.authority import Standing
from kojo_mes.changes.models import ChangeRequest, ChangeRevision
from kojo_mes.changes.record import content_of, record_digest, reference
from kojo_mes.changes.schemas import (
    Approve,
    Authorisation,
    BreakGlassIn,
    Change,
    ChangeContent,
    ChangeState,
    Close,
    Reject,
    ReviewIn,
    Use,
    Withdraw,
)
from kojo_mes.changes.states import APPROVER_ROLES, TRANSITIONS
from kojo_mes.kit import audit
from kojo_mes.kit.clock import now
from kojo_mes.kit.database import Database, ReadSession, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.logging import get
from kojo_mes.kit.metrics import BREAK_GLASS_OVERDUE, BREAK_GLASS_UNREVIEWED
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Problem
from kojo_mes.kit.security import Actor
from kojo_mes.kit.versions import require
from kojo_mes.kit.writes import Denied
from kojo_mes.signatures import service as signatures
from kojo_mes.signatures import verifying
from kojo_mes.signatures.policy import policy
from kojo_mes.signatures.schemas import Meaning, SignatureIn, Validity

log = get(__name__)
S = ChangeState
SWEEP_INTERVAL = 10.0  # seconds
SYSTEM = Actor("system", "kojo-mes", "kojo-mes", frozenset(), request_id="")


async def create(session: WriteSession, actor: Actor, content: ChangeContent) -> Change:
    moment = await now(session)
    row = ChangeRequest(
        id=new_id(),
        version=1,
        revision=1,
        state=S.DRAFT,
        requester_id=actor.id,
        requester_name=actor.name,
        created_at=moment,
        changed_at=moment,
    )
    revision = ChangeRevision(change_id=row.id, revision=1, written_at=moment, **content.model_dump())
    await repository.add(session, row, revision)
    await audit.record(session, actor, "changes:create", reference(row), new=content.model_dump())
    return change_of(Standing(row, revision, moment))


async def revise(session: WriteSession, actor: Actor, change_id: str, version: int, content: ChangeContent) -> Change:
    """A new revision, a draft: signatures on the one before stay, and count no more."""
    standing = await _standing(session, change_id, version)
    _requester_only(standing, actor, "revise")
    row, before = standing.row, standing.content
    if standing.state is not S.DRAFT:
        TRANSITIONS.check(reference(row), standing.state, S.DRAFT)
    if row.break_glass_by is not None:
        raise _denied(row, "revise", "A change that is carried out by break-glass can't be rewritten")
    old = {"state": row.state, "approvals": approvals_of(row), **content_of(before).model_dump()}
    row.revision += 1
    revision = ChangeRevision(change_id=row.id, revision=row.revision, written_at=standing.now, **content.model_dump())
    session.add(revision)
    nobody = dict.fromkeys(("first_approver", "first_role", "second_approver", "second_role"))
    await _store(session, standing, state=S.DRAFT, **nobody)
    new = {"state": S.DRAFT, "approvals": [], **content.model_dump()}
    await audit.record(session, actor, "changes:revise", reference(row), old=old, new=new)
    return change_of(Standing(row, revision, standing.now))


async def submit(session: WriteSession, actor: Actor, change_id: str, version: int) -> Change:
    standing = await _standing(session, change_id, version)
    _requester_only(standing, actor, "submit")
    TRANSITIONS.check(reference(standing.row), standing.state, S.SUBMITTED)
    if standing.content.window_end <= standing.now:
        raise _denied(standing.row, "submit", "Its window is over", "Revise it with a window to come.")
    return await _move(session, actor, standing, "changes:submit", S.SUBMITTED)


async def withdraw(session: WriteSession, actor: Actor, change_id: str, version: int, body: Withdraw) -> Change:
    standing = await _standing(session, change_id, version)
    _requester_only(standing, actor, "withdraw")
    return await _move(session, actor, standing, "changes:withdraw", S.WITHDRAWN, reason=body.reason)


async def approve(session: WriteSession, actor: Actor, change_id: str, version: int, body: Approve) -> Change:
    """The first approval leaves it submitted, the second makes it approved."""
    standing = await _standing(session, change_id, version)
    row, role = standing.row, body.signature.role
    TRANSITIONS.check(reference(row), standing.state, S.APPROVED)
    _decider_only(standing, actor, body.signature, "approve")
    if row.first_approver == actor.id:
        raise _denied(row, "approve", "You have approved this revision", "The second approval is another person's.")
    if row.first_role == role:
        raise _denied(row, "approve", f"The {role} has approved this revision", "The second is another role's.")
    await _sign(session, actor, standing, body.signature, Meaning.APPROVAL)
    if row.first_approver is None:
        given = {"first_approver": actor.id, "first_role": role}
        return await _move(session, actor, standing, "changes:approve", None, given)
    given = {"second_approver": actor.id, "second_role": role}
    return await _move(session, actor, standing, "changes:approve", S.APPROVED, given)


async def reject(session: WriteSession, actor: Actor, change_id: str, version: int, body: Reject) -> Change:
    standing = await _standing(session, change_id, version)
    TRANSITIONS.check(reference(standing.row), standing.state, S.REJECTED)
    _decider_only(standing, actor, body.signature, "reject")
    await _sign(session, actor, standing, body.signature, Meaning.REJECTION)
    return await _move(session, actor, standing, "changes:reject", S.REJECTED, reason=body.reason)


async def break_glass(session: WriteSession, actor: Actor, change_id: str, version: int, body: BreakGlassIn) -> Change:
    """One person answers for it, alone: it may be carried out once, at once, and is reviewed afterwards."""
    standing = await _standing(session, change_id, version)
    row = standing.row
    TRANSITIONS.check(reference(row), standing.state, S.USED)
    _approver_role(standing, body.signature, "break-glass")
    if row.break_glass_by is not None:
        raise _denied(row, "break-glass", "The glass of this change is broken already")
    await _sign(session, actor, standing, body.signature, Meaning.RESPONSIBILITY)
    rules = policy(session)
    given = {
        "break_glass_by": actor.id,
        "break_glass_role": body.signature.role,
        "break_glass_reason": body.reason,
        "break_glass_at": standing.now,
        "break_glass_until": standing.now + timedelta(seconds=rules.break_glass_validity),
        "review_due_at": standing.now + timedelta(seconds=rules.break_glass_review),
    }
    log.warning("break_glass", change=row.id, person=actor.id, reason=body.reason)
    return await _move(session, actor, standing, "changes:break-glass", None, given, reason=body.reason)


async def review(session: WriteSession, actor: Actor, change_id: str, version: int, body: ReviewIn) -> Change:
    """Of a break-glass, by somebody who neither broke it nor asked for the change."""
    standing = await _standing(session, change_id, version)
    row = standing.row
    if row.break_glass_by is None or row.reviewed_by is not None:
        raise _denied(row, "review", "There is no break-glass to review")
    _approver_role(standing, body.signature, "review")
    if actor.id in (row.break_glass_by, row.requester_id):
        raise _forbidden(row, "review", "Nobody reviews their own break-glass or change")
    await _sign(session, actor, standing, body.signature, Meaning.REVIEW)
    given = {
        "reviewed_by": actor.id,
        "reviewer_role": body.signature.role,
        "reviewed_at": standing.now,
        "review_conclusion": body.conclusion,
    }
    return await _move(session, actor, standing, "changes:review", None, given, reason=body.conclusion)


async def close(session: WriteSession, actor: Actor, change_id: str, version: int, body: Close) -> Change:
    standing = await _standing(session, change_id, version)
    TRANSITIONS.check(reference(standing.row), standing.state, S.CLOSED)
    if standing.row.break_glass_by is not None and standing.row.reviewed_by is None:
        raise _denied(standing.row, "close", "Its break-glass isn't reviewed yet")
    return await _move(session, actor, standing, "changes:close", S.CLOSED, {"closing_note": body.note})


async def one(session: ReadSession, change_id: str) -> Change:
    return change_of(await _standing(session, change_id, lock=False))


async def page(
    session: ReadSession, state: ChangeState | None, plant: str | None, after: str | None, limit: int
) -> Page[Change]:
    moment = await now(session)
    rows = await repository.page(session, state, plant, after, limit + 1)
    return page_of(
        rows, limit, lambda found: change_of(Standing(found[0], found[1], moment)), lambda found: (found[0].id,)
    )


async def authorisation(session: ReadSession, change_id: str, digest: str, plant: str) -> Authorisation:
    standing = await _standing(session, change_id, lock=False)
    return authorisation_of(standing, await _obstacles(session, standing, digest, plant))


async def use(session: WriteSession, actor: Actor, change_id: str, body: Use) -> Change:
    """Once. Whoever comes second, with whatever key, is refused."""
    standing = await _standing(session, change_id)
    row = standing.row
    TRANSITIONS.check(reference(row), standing.state, S.USED)
    if obstacles := await _obstacles(session, standing, body.digest, body.plant):
        raise _denied(row, "use", f"The change {row.id} doesn't authorise this", "; ".join(obstacles) + ".")
    given = {"used_at": standing.now, "used_by": actor.id, "used_for": body.reference}
    return await _move(session, actor, standing, "changes:use", S.USED, given)


async def sweep(database: Database) -> None:
    """Stores what time has done: lapsed requests, and reviews that are due."""

    async def expire(session: WriteSession) -> None:
        moment = await now(session)
        for change_id in await repository.lapsed(session, moment):
            standing = await _standing(session, change_id)
            old = {"state": standing.row.state}
            await _store(session, standing, state=S.EXPIRED)
            await audit.record(
                session, SYSTEM, "changes:expire", reference(standing.row), old=old, new={"state": S.EXPIRED}
            )

    await database.write(expire, repeatable=True)
    unreviewed, overdue = await database.read(repository.unreviewed)
    BREAK_GLASS_UNREVIEWED.set(unreviewed)
    BREAK_GLASS_OVERDUE.set(overdue)


async def keep(database: Database) -> None:
    while True:
        try:
            await sweep(database)
        except Exception as error:
            log.warning("changes_sweep_failed", reason=str(error))
        await asyncio.sleep(SWEEP_INTERVAL)


async def _standing(session: ReadSession, change_id: str, version: int | None = None, *, lock: bool = True) -> Standing:
    """The request as it is now, locked for a change of the version that was seen."""
    found = await repository.present(session, change_id, lock=lock)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", f"There is no change request {change_id}")
    if version is not None:
        require(found[0].version, version)
    return Standing(found[0], found[1], await now(session))


async def _obstacles(session: ReadSession, standing: Standing, digest: str, plant: str) -> list[str]:
    """A signature that the record no longer bears out authorises nothing, whatever the columns say."""
    found = standing.obstacles(digest, plant)
    row = standing.row
    relied_on = (
        {(person, Meaning.APPROVAL) for person in (row.first_approver, row.second_approver)}
        if standing.approved_now
        else {(row.break_glass_by, Meaning.RESPONSIBILITY)}
    )
    found += [
        f"the {signature.meaning} of {signature.printed_name} is {signature.validity}: {signature.reason}"
        for signature in await verifying.verified(session, reference(row))
        if (signature.signer_id, signature.meaning) in relied_on and signature.validity is not Validity.VALID
    ]
    return found


async def _move(
    session: WriteSession,
    actor: Actor,
    standing: Standing,
    action: str,
    wanted: ChangeState | None,
    given: Mapping[str, object] | None = None,
    *,
    reason: str | None = None,
) -> Change:
    """One step of a request's life and its audit entry. `wanted` None: the state stays."""
    ref = reference(standing.row)
    new = dict(given or {})
    if wanted is not None:
        TRANSITIONS.check(ref, standing.state, wanted)
        new["state"] = wanted
    old = {name: getattr(standing.row, name) for name in new}
    await _store(session, standing, **new)
    await audit.record(session, actor, action, ref, old=old, new=new, reason=reason)
    return change_of(standing)


async def _store(session: WriteSession, standing: Standing, **values: object) -> None:
    row = standing.row
    for name, value in values.items():
        setattr(row, name, value)
    row.version += 1
    row.changed_at = standing.now
    await session.flush()


async def _sign(
    session: WriteSession, actor: Actor, standing: Standing, signature: SignatureIn, meaning: Meaning
) -> None:
    digest = record_digest(standing.row, standing.content)
    await signatures.sign(session, actor, signature, reference(standing.row), digest, meaning, signature.role)


def _requester_only(standing: Standing, actor: Actor, wanted: str) -> None:
    if actor.id != standing.row.requester_id:
        raise _forbidden(standing.row, wanted, f"Only {standing.row.requester_name} may {wanted} this change")


def _decider_only(standing: Standing, actor: Actor, signature: SignatureIn, wanted: str) -> None:
    _approver_role(standing, signature, wanted)
    if actor.id == standing.row.requester_id:
        raise _forbidden(standing.row, wanted, "Nobody decides on their own change request")


def _approver_role(standing: Standing, signature: SignatureIn, wanted: str) -> None:
    if signature.role not in APPROVER_ROLES:
        raise _forbidden(standing.row, wanted, f"The {signature.role} may not {wanted} a change", f"{_APPROVERS} may.")


_APPROVERS = ", ".join(sorted(APPROVER_ROLES))


def _denied(row: ChangeRequest, wanted: str, title: str, detail: str | None = None) -> Denied:
    return Denied(reference(row), wanted, title, detail)


def _forbidden(row: ChangeRequest, wanted: str, title: str, detail: str | None = None) -> Denied:
    return Denied(reference(row), wanted, title, detail, status=HTTPStatus.FORBIDDEN, kind="not-permitted")
