"""Attempts at an account, counted before they are judged: however many come at once, no more than the limit count."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from prometheus_client import Counter

from kojo_mes.identity import passwords, repository
from kojo_mes.identity.repository import Account
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import Database, ReadSession, WriteSession
from kojo_mes.kit.security import Actor
from kojo_mes.kit.settings import IdentitySettings

ATTEMPTS = Counter(
    "kojo_mes_authentications_total",
    "Passwords at a login or a signature, and keys that no device has, by outcome",
    ["outcome"],  # locked: the account takes none now; unknown: nobody has this name or key
)
for _outcome in ("accepted", "refused", "locked", "unknown"):
    ATTEMPTS.labels(_outcome)  # an increase is seen only in a series that was there before
REUSED = Counter("kojo_mes_refresh_tokens_reused_total", "Sessions ended because a refresh token came twice")
LOCKOUTS = Counter("kojo_mes_account_lockouts_total", "Accounts that were locked after too many failures")


class Judged(NamedTuple):
    account: Account | None  # of an active person
    attempt: int  # since the last good one; 0 when it was not judged
    right: bool


async def judge(database: Database, find: Callable[[ReadSession], Awaitable[Account | None]], password: str) -> Judged:
    """Is it the account's password? The attempt is counted in a transaction of its own, and committed, before; whether
    it `succeeded` or `failed` is the caller's to store. A name that nobody has takes as long as one that somebody has.
    """

    async def count(session: WriteSession) -> tuple[Account | None, int]:
        account = await find(session)
        if account is None or account.person.deactivated_at is not None:
            return None, 0
        return account, await admit(session, account.person.id)

    with passwords.place():
        account, attempt = await database.write(count, repeatable=True)
        right = await passwords.matches(account.hash if account and attempt else None, password)
    if attempt:
        ATTEMPTS.labels("accepted" if right else "refused").inc()
    return Judged(account, attempt, right)


async def admit(session: WriteSession, person_id: str) -> int:
    """Which attempt since the last good one this is, 0 while the account is locked. It counts as a failure until
    `succeeded`; the last that the rules allow locks the account."""
    rules = rules_of(session)
    now = datetime.now(UTC)
    state = await repository.lockout(session, person_id)
    if state.locked_until and state.locked_until > now:
        return 0
    if state.locked_until:
        state.failures, state.locked_until = 0, None
    state.failures += 1
    if state.failures >= rules.lockout_failures:
        state.locked_until = now + timedelta(seconds=rules.lockout_duration)
    return state.failures


async def succeeded(session: WriteSession, person_id: str) -> None:
    state = await repository.lockout(session, person_id)
    state.failures, state.locked_until = 0, None


async def failed(session: WriteSession, actor: Actor, at: str, attempt: int) -> bool:
    """Records a failure that was counted; whether it is the one that locked the account."""
    locked = attempt >= rules_of(session).lockout_failures
    ref = RecordRef("person", actor.id)
    await audit.record(session, actor, f"identity:{at}-refused", ref, reason="wrong password")
    if locked:
        await audit.record(session, actor, "identity:locked", ref, reason=f"{attempt} failures")
    return locked


def rules_of(session: ReadSession) -> IdentitySettings:
    rules = session.info["settings"]
    assert isinstance(rules, IdentitySettings)
    return rules
