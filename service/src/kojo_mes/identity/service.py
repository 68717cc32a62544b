"""What other domains ask of identity: is it really this person, and may they sign?"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from kojo_mes.identity import attempts, passwords, policy, repository
from kojo_mes.identity.matrix import QUALIFIED
from kojo_mes.identity.roles import JobRole
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.security import Actor
from kojo_mes.kit.writes import Denied


class WrongPassword(Denied):
    """Of somebody who is logged in. It counts towards the lockout, though its transaction is rolled back."""

    def __init__(self, person_id: str, *, locked: bool) -> None:
        title = "The account is locked after too many failures" if locked else "The password is wrong"
        kind = "account-locked" if locked else "wrong-password"
        super().__init__(RecordRef("person", person_id), "authenticate", title, status=HTTPStatus.FORBIDDEN, kind=kind)
        self._locked = locked

    async def remember(self, session: WriteSession, actor: Actor) -> None:
        attempt = 0 if self._locked else await attempts.admit(session, actor.id)
        if not attempt:
            attempts.ATTEMPTS.labels("locked").inc()
            await super().remember(session, actor)
            return
        attempts.ATTEMPTS.labels("refused").inc()
        if await attempts.failed(session, actor, "signature", attempt):
            attempts.LOCKOUTS.inc()


async def verify_password(session: WriteSession, person_id: str, password: str) -> None:
    """Raises WrongPassword (403) unless it is the person's. Attempts of one person wait for each other."""
    with passwords.place():
        if not await attempts.admit(session, person_id):
            raise WrongPassword(person_id, locked=True)
        known = await repository.password(session, person_id)
        if not await passwords.matches(known.hash if known else None, password):
            raise WrongPassword(person_id, locked=False)
        await attempts.succeeded(session, person_id)
    attempts.ATTEMPTS.labels("accepted").inc()


async def equipment_of(session: ReadSession, actor: Actor) -> frozenset[str] | None:
    """What a device speaks for; None for the keys of the settings, which are bound to nothing."""
    device = await device_of(session, actor)
    return frozenset(device.equipment) if device else None


async def device_of(session: ReadSession, actor: Actor) -> Any | None:
    """Its row, with its equipment and what is allowed of its clock; None for people and the keys of the settings."""
    rows = await repository.devices(session, device_id=actor.id) if actor.kind == "device" else ()
    return rows[0] if rows else None


async def signing_obstacle(session: ReadSession, person_id: str, role: JobRole) -> str | None:
    """Why this person may not sign in this role, now; None when they may.

    21 CFR 11.10(i) qualification, (j) acknowledgement, 11.100(b) proof of identity, 11.200(a) a password of their own.
    """
    person = await repository.person(session, person_id)
    if person is None or person.deactivated_at is not None:
        return "the account is not active"
    if await repository.password(session, person_id) is None:
        return "the person has set no password of their own"
    if not await repository.has_acknowledged(session, person_id, policy.VERSION):
        return "the person has not acknowledged the policy of electronic signatures"
    if await repository.last_proof(session, person_id) is None:
        return "nobody has proved the person's identity since the account was made or its password was reset"
    held = {row.role: row for row in await repository.roles(session, [person_id], QUALIFIED)}
    if role not in held:
        return f"the person does not hold the role {role}"
    return None if held[role].usable else f"the person has no valid qualification for the role {role}"
