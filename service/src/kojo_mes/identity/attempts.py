"""Attempts at an account, counted before they are judged: however many come at once, no more than the limit count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prometheus_client import Counter

from kojo_mes.identity import repository
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import WriteSession
from kojo_mes.kit.security import Actor
from kojo_mes.kit.settings import IdentitySettings

ATTEMPTS = Counter(
    "kojo_mes_authentications_total",
    "Passwords that were judged, at a login or a signature, by outcome",
    ["outcome"],  # accepted, refused, locked (not judged)
)
REUSED = Counter("kojo_mes_refresh_tokens_reused_total", "Sessions ended because a refresh token came twice")
LOCKOUTS = Counter("kojo_mes_account_lockouts_total", "Accounts that were locked after too many failures")


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


def rules_of(session: WriteSession) -> IdentitySettings:
    rules = session.info["settings"]
    assert isinstance(rules, IdentitySettings)
    return rules
