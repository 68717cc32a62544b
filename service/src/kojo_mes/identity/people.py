"""People, as administrators and those who vouch for them keep them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from sqlalchemy.exc import IntegrityError

from kojo_mes.identity import attempts, policy, repository
from kojo_mes.identity.matrix import QUALIFIED
from kojo_mes.identity.models import IdentityProof, PasswordReset, Person, Qualification, RoleGrant
from kojo_mes.identity.roles import JobRole
from kojo_mes.identity.schemas import (
    PersonAdded,
    PersonIn,
    PersonOut,
    ProofIn,
    QualificationIn,
    QualificationOut,
    ResetOut,
    RoleHeld,
)
from kojo_mes.identity.tokens import digest, new_secret
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession, WriteSession, driver_error
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.versions import require
from kojo_mes.kit.writes import Denied


def not_found(what: str, name: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "not-found", f"There is no {what} {name}")


async def page(session: ReadSession, after: str | None, limit: int) -> Page[PersonOut]:
    rows = await repository.people(session, policy.VERSION, after=after, limit=limit + 1)
    roles = await _roles(session, [row.id for row in rows])
    return page_of(rows, limit, lambda row: _shown(row, roles), lambda row: (row.id,))


async def show(session: ReadSession, person_id: str) -> PersonOut:
    rows = await repository.people(session, policy.VERSION, person_id=person_id)
    if not rows:
        raise not_found("person", person_id)
    return _shown(rows[0], await _roles(session, [person_id]))


async def add(session: WriteSession, actor: Actor, new: PersonIn) -> PersonAdded:
    """With a reset token: the person sets the first password."""
    now = datetime.now(UTC)
    person = Person(id=new_id(), created_at=now, created_by=actor.id, **new.model_dump())
    session.add(person)
    try:
        await session.flush()
    except IntegrityError as error:
        raise _taken(error, new) from error
    shown = {"user_name": new.user_name, "name": new.name, "oidc_subject": new.oidc_subject}
    await audit.record(session, actor, "identity:add", RecordRef("person", person.id, 1), new=shown)
    reset = await _reset(session, actor, person, now)
    return PersonAdded(**(await show(session, person.id)).model_dump(), reset_token=reset.reset_token)


async def deactivate(session: WriteSession, actor: Actor, person_id: str, given: int | None, reason: str) -> PersonOut:
    """For ever. What the person did and signed stays theirs."""
    person = await _changed(session, person_id, given)
    if person.id == actor.id:
        raise _denied(person, "deactivate", "Nobody deactivates their own account")
    now = datetime.now(UTC)
    for held in await repository.roles(session, [person_id], QUALIFIED):
        await _end(session, actor, person_id, held.role, now)
    await repository.revoke_sessions(session, person_id, "deactivated", now)
    await repository.void_resets(session, person_id, now)
    await session.flush()
    person.deactivated_at = now
    ref = RecordRef("person", person.id, person.version)
    await audit.record(session, actor, "identity:deactivate", ref, new={"deactivated_at": now}, reason=reason)
    await session.flush()
    return await show(session, person_id)


async def grant(session: WriteSession, actor: Actor, person_id: str, given: int | None, role: JobRole) -> PersonOut:
    person = await _changed(session, person_id, given)
    if person.id == actor.id:
        raise _denied(person, f"grant {role}", "Nobody grants a role to themselves")
    if await repository.held_grant(session, person_id, role):
        raise _denied(person, f"grant {role}", f"{person.user_name} holds the role {role} already", "role-held")
    now = datetime.now(UTC)
    held = RoleGrant(id=new_id(), person_id=person_id, role=role, granted_by=actor.id, granted_at=now)
    session.add(held)
    await session.flush()
    ref = RecordRef("person", person.id, person.version)
    await audit.record(session, actor, "identity:grant", ref, new={"role": role, "grant": held.id})
    return await show(session, person_id)


async def revoke(session: WriteSession, actor: Actor, person_id: str, given: int | None, role: JobRole) -> PersonOut:
    person = await _changed(session, person_id, given)
    if not await _end(session, actor, person_id, role, datetime.now(UTC)):
        raise not_found("role of this person", role)
    ref = RecordRef("person", person.id, person.version)
    await audit.record(session, actor, "identity:revoke", ref, old={"role": role})
    return await show(session, person_id)


async def reset(session: WriteSession, actor: Actor, person_id: str) -> ResetOut:
    """A one-time token for the person. The present password and its sessions end here; whoever asked for the reset
    can't prove the person's identity afterwards, which signing needs anew."""
    person = await _active(session, person_id)
    if person.id == actor.id:
        raise _denied(person, "reset", "Nobody resets their own password; change it")
    return await _reset(session, actor, person, datetime.now(UTC))


async def unlock(session: WriteSession, actor: Actor, person_id: str) -> PersonOut:
    person = await _active(session, person_id)
    await attempts.succeeded(session, person_id)
    await session.flush()
    await audit.record(session, actor, "identity:unlock", RecordRef("person", person.id))
    return await show(session, person_id)


async def end_sessions(session: WriteSession, actor: Actor, person_id: str, reason: str) -> PersonOut:
    person = await _active(session, person_id)
    ended = await repository.revoke_sessions(session, person_id, reason, datetime.now(UTC))
    ref = RecordRef("person", person.id)
    await audit.record(session, actor, "identity:end-sessions", ref, new={"ended": ended}, reason=reason)
    return await show(session, person_id)


async def prove(session: WriteSession, actor: Actor, person_id: str, proof: ProofIn) -> PersonOut:
    """The actor saw the person, after the person set a password of their own."""
    person = await _active(session, person_id)
    if person.id == actor.id:
        raise _denied(person, "prove", "Nobody proves their own identity")
    if await repository.password(session, person_id) is None:
        raise _denied(
            person, "prove", "The person has to set a password first", "no-password", "Then prove who set it."
        )
    row = IdentityProof(
        id=new_id(), person_id=person_id, proved_by=actor.id, proved_at=datetime.now(UTC), **proof.model_dump()
    )
    session.add(row)
    try:
        await session.flush()
    except IntegrityError as error:
        title = "Whoever gave the reset does not prove the identity; another has to"
        raise _denied(person, "prove", title) from error
    new = proof.model_dump(mode="json")
    await audit.record(session, actor, "identity:prove", RecordRef("person", person.id), new=new)
    return await show(session, person_id)


async def qualify(session: WriteSession, actor: Actor, person_id: str, new: QualificationIn) -> QualificationOut:
    person = await _active(session, person_id)
    if new.valid_until <= new.valid_from:
        raise invalid([Fault(place="body", field="valid_until", detail="is to be later than valid_from")])
    if person.id == actor.id:
        raise _denied(person, "qualify", "Nobody qualifies themselves")
    row = Qualification(
        id=new_id(), person_id=person_id, recorded_by=actor.id, recorded_at=datetime.now(UTC), **new.model_dump()
    )
    session.add(row)
    await session.flush()
    ref = RecordRef("qualification", row.id)
    await audit.record(
        session, actor, "identity:qualify", ref, new={"person": person_id, **new.model_dump(mode="json")}
    )
    return QualificationOut.model_validate(row)


async def qualifications(session: ReadSession, person_id: str, after: str | None, limit: int) -> Page[QualificationOut]:
    if await repository.person(session, person_id) is None:
        raise not_found("person", person_id)
    rows = await repository.qualifications(session, person_id, after, limit + 1)
    return page_of(rows, limit, QualificationOut.model_validate, lambda row: (row.id,))


async def disqualify(
    session: WriteSession, actor: Actor, person_id: str, qualification_id: str, reason: str
) -> QualificationOut:
    await _active(session, person_id)
    row = await session.get(Qualification, qualification_id, with_for_update=True)
    if row is None or row.person_id != person_id:
        raise not_found("qualification", qualification_id)
    if row.revoked_at is not None:
        ref = RecordRef("qualification", row.id)
        raise Denied(ref, "revoke", "The qualification is revoked already", kind="revoked")
    row.revoked_at, row.revoked_by = datetime.now(UTC), actor.id
    await session.flush()
    ref = RecordRef("qualification", row.id)
    await audit.record(session, actor, "identity:disqualify", ref, new={"revoked_at": row.revoked_at}, reason=reason)
    return QualificationOut.model_validate(row)


async def _roles(session: ReadSession, people: Sequence[str]) -> Sequence[Any]:
    return await repository.roles(session, people, QUALIFIED)


def _shown(row: Any, roles: Sequence[Any]) -> PersonOut:
    held = [RoleHeld.model_validate(role) for role in roles if role.person_id == row.id]
    return PersonOut(**row._mapping, roles=held)


async def _active(session: WriteSession, person_id: str) -> Person:
    person = await repository.locked_person(session, person_id)
    if person is None:
        raise not_found("person", person_id)
    if person.deactivated_at is not None:
        raise _denied(person, "change", f"{person.user_name} is deactivated", "deactivated")
    return person


async def _changed(session: WriteSession, person_id: str, given: int | None) -> Person:
    """The next version of a person, if the given one is the present one; the command line gives none."""
    person = await _active(session, person_id)
    if given is not None:
        require(person.version, given)
    person.version += 1
    await session.flush()
    return person


async def _end(session: WriteSession, actor: Actor, person_id: str, role: str, now: datetime) -> bool:
    held = await repository.held_grant(session, person_id, role)
    if held is None:
        return False
    held.revoked_at, held.revoked_by = now, actor.id
    await session.flush()
    return True


async def _reset(session: WriteSession, actor: Actor, person: Person, now: datetime) -> ResetOut:
    secret = new_secret()
    expires_at = now + timedelta(seconds=attempts.rules_of(session).reset_lifetime)
    await repository.void_resets(session, person.id, now)
    await repository.revoke_sessions(session, person.id, "the password was reset", now)
    session.add(
        PasswordReset(
            token_hash=digest(secret), person_id=person.id, created_by=actor.id, created_at=now, expires_at=expires_at
        )
    )
    await session.flush()
    ref = RecordRef("person", person.id)
    await audit.record(session, actor, "identity:reset", ref, new={"expires_at": expires_at})
    return ResetOut(person=person.id, reset_token=secret, expires_at=expires_at)


def _denied(person: Person, wanted: str, title: str, kind: str = "denied", detail: str | None = None) -> Denied:
    return Denied(RecordRef("person", person.id), wanted, title, detail, kind=kind)


def _taken(error: IntegrityError, new: PersonIn) -> Exception:
    cause = driver_error(error)
    constraint = cause.diag.constraint_name if cause else None
    ref = RecordRef("user-name", new.user_name)
    if constraint == "person_user_name_key":
        title = f"The user name {new.user_name} is or was another person's"
        return Denied(ref, "add", title, "User names are never used again. Choose another one.", kind="user-name-taken")
    if constraint == "person_oidc_subject_key":
        return Denied(ref, "add", "The OpenID subject is another person's", kind="subject-taken")
    return error
