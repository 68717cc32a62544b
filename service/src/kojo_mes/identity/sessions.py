"""Logins: a session a login, a family of refresh tokens a session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Literal

from kojo_mes.identity import attempts, passwords, policy, repository
from kojo_mes.identity.authority import request_id
from kojo_mes.identity.models import LoginSession, Person, RefreshToken
from kojo_mes.identity.repository import Account
from kojo_mes.identity.schemas import Done, Tokens
from kojo_mes.identity.strangers import Caller
from kojo_mes.identity.tokens import AccessTokens, digest, new_secret
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import Database, ReadSession, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.problems import Problem
from kojo_mes.kit.security import Actor
from kojo_mes.kit.settings import IdentitySettings

FORGOTTEN_AFTER = timedelta(days=30)


@dataclass(frozen=True)
class Opened:
    """What a session's tokens are made of."""

    person_id: str
    session_id: str
    refresh_token: str
    acknowledged: bool
    password_set_at: datetime | None


def acting(person: Person, session_id: str | None = None) -> Actor:
    """A person on the way in: no role yet."""
    return Actor("person", person.id, person.name, frozenset(), request_id(), session_id)


def refused() -> Problem:
    """One answer for all: whether a user name exists, or is locked, is nobody's to learn."""
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "login-refused",
        "User name or password is wrong, or the account is locked",
        "After too many failures an account is locked for some minutes. An administrator can reset the password.",
        headers={"WWW-Authenticate": "Bearer"},
    )


async def authenticated(caller: Caller, user_name: str, password: str) -> Account:
    """The account of this name and password; raises 401, having counted and recorded the failure."""
    judged = await attempts.judge(caller.database, lambda session: repository.account(session, user_name), password)
    account, attempt = judged.account, judged.attempt
    if account is None:
        await caller.unknown("user-name", user_name)
        raise refused()
    if judged.right:
        return account
    actor = acting(account.person)
    if not attempt:
        await caller.locked(actor)
        raise refused()
    if await caller.database.write(lambda session: attempts.failed(session, actor, "login", attempt), repeatable=True):
        attempts.LOCKOUTS.inc()
    raise refused()


async def login(caller: Caller, rules: IdentitySettings, tokens: AccessTokens, user_name: str, password: str) -> Tokens:
    account = await authenticated(caller, user_name, password)
    assert account.set_at is not None
    assert account.hash is not None
    old = account.hash
    stronger = await passwords.hashed(password) if passwords.is_outdated(old) else None
    is_expired = passwords.is_expired(account.set_at, rules.password_age)

    async def work(session: WriteSession) -> Opened | None:
        await attempts.succeeded(session, account.person.id)
        if is_expired:
            return None
        if stronger:
            await repository.rehash(session, account.person.id, old, stronger)
        return await open_session(session, rules, account.person, "password")

    opened = await caller.database.write(work, repeatable=True)
    if opened is None:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "password-expired",
            "The password is too old",
            "Change it: POST /api/v1/identity/passwords/change.",
        )
    return tokens_of(opened, rules, tokens)


async def open_session(
    session: WriteSession, rules: IdentitySettings, person: Person, method: Literal["password", "oidc"]
) -> Opened:
    now = datetime.now(UTC)
    session_id, secret = new_id(), new_secret()
    expires_at = now + timedelta(seconds=rules.session_lifetime)
    session.add(LoginSession(id=session_id, person_id=person.id, method=method, created_at=now, expires_at=expires_at))
    await session.flush()
    session.add(RefreshToken(token_hash=digest(secret), session_id=session_id, issued_at=now))
    actor, ref = acting(person, session_id), RecordRef("login_session", session_id)
    await audit.record(session, actor, "identity:login", ref, new={"method": method, "expires_at": expires_at})
    return await _opened(session, person.id, session_id, secret)


async def _opened(session: ReadSession, person_id: str, session_id: str, secret: str) -> Opened:
    known = await repository.password(session, person_id)
    return Opened(
        person_id,
        session_id,
        secret,
        await repository.has_acknowledged(session, person_id, policy.VERSION),
        known.set_at if known else None,
    )


def tokens_of(opened: Opened, rules: IdentitySettings, tokens: AccessTokens) -> Tokens:
    age = timedelta(seconds=rules.password_age)
    return Tokens(
        access_token=tokens.issue(opened.person_id, opened.session_id),
        expires_in=int(tokens.lifetime.total_seconds()),
        refresh_token=opened.refresh_token,
        person=opened.person_id,
        acknowledge=None if opened.acknowledged else policy.VERSION,
        password_expires_at=opened.password_set_at + age if opened.password_set_at else None,
    )


async def refresh(database: Database, rules: IdentitySettings, tokens: AccessTokens, token: str) -> Tokens:
    """The next pair of tokens. A token that was used before ends the session: one of its two holders is a thief."""
    secret, reused = new_secret(), False

    async def work(session: WriteSession) -> Opened | None:
        nonlocal reused
        reused = False
        now = datetime.now(UTC)
        found = await repository.refresh_token(session, digest(token))
        if found is None:
            return None
        used, family = found
        person = await repository.person(session, family.person_id)
        if person is None or person.deactivated_at or family.revoked_at or family.expires_at <= now:
            return None
        if used.successor_hash == digest(secret):  # this very request, whose COMMIT went unanswered
            return await _opened(session, person.id, family.id, secret)
        if used.successor_hash is not None:
            reused = True
            family.revoked_at, family.revoked_because = now, "a refresh token was used twice"
            ref = RecordRef("login_session", family.id)
            await audit.record(
                session, acting(person, family.id), "identity:revoked", ref, reason=family.revoked_because
            )
            return None
        if used.issued_at + timedelta(seconds=rules.session_idle) <= now:
            return None
        used.successor_hash = digest(secret)
        session.add(RefreshToken(token_hash=digest(secret), session_id=family.id, issued_at=now))
        return await _opened(session, person.id, family.id, secret)

    opened = await database.write(work, repeatable=True)
    if reused:
        attempts.REUSED.inc()
    if opened is None:
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "session-ended",
            "The session has ended",
            "Log in again.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return tokens_of(opened, rules, tokens)


async def logout(session: WriteSession, actor: Actor) -> Done:
    found = await repository.login_session(session, actor.session_id or "")
    if found and found.revoked_at is None:
        found.revoked_at, found.revoked_because = datetime.now(UTC), "logged out"
        await audit.record(session, actor, "identity:logout", RecordRef("login_session", found.id))
    return Done()


async def forget(session: WriteSession) -> None:
    """Sessions that ended long ago; the audit keeps what was done in them."""
    await repository.forget_sessions(session, FORGOTTEN_AFTER)
