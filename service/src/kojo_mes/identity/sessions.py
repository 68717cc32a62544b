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


async def authenticated(database: Database, user_name: str, password: str) -> Account:
    """The account of this name and password; raises 401, having counted the failure."""

    with passwords.place():
        return await _judged(database, user_name, password)


async def _judged(database: Database, user_name: str, password: str) -> Account:
    async def admit(session: WriteSession) -> tuple[Account | None, int]:
        account = await repository.account(session, user_name)
        if account is None or account.person.deactivated_at is not None:
            return None, 0
        return account, await attempts.admit(session, account.person.id)

    account, attempt = await database.write(admit, repeatable=True)
    # a name that doesn't exist takes as long as one that does
    if account is None or not attempt:
        await passwords.matches(None, password)
        attempts.ATTEMPTS.labels("locked" if account else "refused").inc()
        raise refused()
    if not await passwords.matches(account.hash, password):
        actor = acting(account.person)
        if await database.write(lambda session: attempts.failed(session, actor, "login", attempt), repeatable=True):
            attempts.LOCKOUTS.inc()
        attempts.ATTEMPTS.labels("refused").inc()
        raise refused()
    attempts.ATTEMPTS.labels("accepted").inc()
    return account


async def login(
    database: Database, rules: IdentitySettings, tokens: AccessTokens, user_name: str, password: str
) -> Tokens:
    account = await authenticated(database, user_name, password)
    assert account.set_at is not None
    assert account.hash is not None
    old = account.hash
    stronger = await passwords.hashed(password) if passwords.is_outdated(old) else None
    is_expired = account.set_at + timedelta(seconds=rules.password_age) <= datetime.now(UTC)

    async def work(session: WriteSession) -> Opened | None:
        await attempts.succeeded(session, account.person.id)
        if is_expired:
            return None
        if stronger:
            await repository.rehash(session, account.person.id, old, stronger)
        return await open_session(session, rules, account.person, "password")

    opened = await database.write(work, repeatable=True)
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
