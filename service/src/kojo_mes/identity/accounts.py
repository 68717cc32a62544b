"""What people do with their own account: set and change a password, acknowledge the policy."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus

from kojo_mes.identity import attempts, passwords, policy, repository
from kojo_mes.identity.models import Person
from kojo_mes.identity.schemas import Done
from kojo_mes.identity.sessions import acting, authenticated
from kojo_mes.identity.strangers import Caller
from kojo_mes.identity.tokens import digest
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import Database, WriteSession
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.kit.security import Actor


async def set_by_token(database: Database, token: str, new: str) -> Done:
    """With a one-time token: the person's first password, or the next one after a reset."""
    token_hash = digest(token)

    async def holder(session: WriteSession) -> Person | None:
        reset = await repository.open_reset(session, token_hash)
        if reset is None or reset.used_at or reset.voided_at or reset.expires_at <= datetime.now(UTC):
            return None
        return await repository.person(session, reset.person_id)

    person = await database.write(holder, repeatable=True)
    if person is None or person.deactivated_at is not None:
        raise _no_such_token()
    hashed = await _acceptable(new, person)

    async def work(session: WriteSession) -> bool:
        reset = await repository.open_reset(session, token_hash)
        assert reset is not None
        now = datetime.now(UTC)
        if reset.used_at or reset.voided_at:
            known = await repository.password(session, person.id)
            return known is not None and known.hash == hashed  # this very request, whose COMMIT went unanswered
        reset.used_at = now
        await _replace(session, person, hashed, now, "set with a reset token")
        return True

    if not await database.write(work, repeatable=True):
        raise _no_such_token()
    return Done()


async def change(caller: Caller, user_name: str, password: str, new: str) -> Done:
    """By the present password, which may be too old to log in with."""
    account = await authenticated(caller, user_name, password)
    person = account.person
    if new == password:
        raise _unacceptable("is the present one")
    hashed = await _acceptable(new, person)

    async def work(session: WriteSession) -> None:
        await _replace(session, person, hashed, datetime.now(UTC), "changed by the person")

    await caller.database.write(work, repeatable=True)
    return Done()


async def acknowledge(session: WriteSession, actor: Actor, given: str) -> Done:
    if given != policy.VERSION:
        detail = f"is not the policy in force, which is {policy.VERSION}"
        raise invalid([Fault(place="body", field="policy", detail=detail)])
    if await repository.acknowledge(session, actor.id, given):
        ref = RecordRef("person", actor.id)
        await audit.record(session, actor, "identity:acknowledged", ref, new={"policy": given, "text": policy.TEXT})
    return Done()


async def _replace(session: WriteSession, person: Person, hashed: str, now: datetime, how: str) -> None:
    """The old password's sessions end with it."""
    await repository.set_password(session, person.id, hashed, now)
    await repository.void_resets(session, person.id, now)
    await repository.revoke_sessions(session, person.id, "the password was changed", now)
    await attempts.succeeded(session, person.id)
    await audit.record(session, acting(person), "identity:password", RecordRef("person", person.id), reason=how)


async def _acceptable(new: str, person: Person) -> str:
    """The password's hash, unless it is a bad one."""
    if fault := passwords.fault(new, person.user_name, person.name):
        raise _unacceptable(fault)
    with passwords.place():
        return await passwords.hashed(new)


def _unacceptable(detail: str) -> Problem:
    return invalid([Fault(place="body", field="new_password", detail=detail)])


def _no_such_token() -> Problem:
    return Problem(
        HTTPStatus.FORBIDDEN,
        "reset-refused",
        "The token is wrong, used or too old",
        "Ask an administrator for another.",
    )
