"""What other domains ask of identity: is it really this person, and may they sign?"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from kojo_mes.identity import attempts, passwords, policy, repository
from kojo_mes.identity.matrix import QUALIFIED
from kojo_mes.identity.roles import JobRole
from kojo_mes.identity.scopes import Scope
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import Database, ReadSession, WriteSession
from kojo_mes.kit.security import Actor
from kojo_mes.kit.writes import Beforehand, Denied, settled


class WrongPassword(Denied):
    """Of somebody who is logged in. It counts towards the lockout, though its transaction is rolled back."""

    def __init__(self, person_id: str, attempt: int) -> None:
        title = "The password is wrong" if attempt else "The account is locked after too many failures"
        kind = "wrong-password" if attempt else "account-locked"
        super().__init__(RecordRef("person", person_id), "authenticate", title, status=HTTPStatus.FORBIDDEN, kind=kind)
        self._attempt = attempt

    async def remember(self, session: WriteSession, actor: Actor) -> None:
        if not self._attempt:
            attempts.ATTEMPTS.labels("locked").inc()
            await super().remember(session, actor)
        elif await attempts.failed(session, actor, "signature", self._attempt):
            attempts.LOCKOUTS.inc()


class PasswordAttempt(Beforehand):
    """Counted before it is judged, and judged once: whatever becomes of the work that asked for it."""

    def __init__(self, person_id: str, password: str) -> None:
        super().__init__()
        self.person_id = person_id
        self.hash: str | None = None  # that the password was found to be of
        self._password = password

    async def settle(self, database: Database) -> None:
        judged = await attempts.judge(
            database, lambda session: repository.account_of(session, self.person_id), self._password
        )
        if judged.account is None or not judged.right:
            raise WrongPassword(self.person_id, judged.attempt)
        await database.write(lambda session: attempts.succeeded(session, self.person_id), repeatable=True)
        self.hash = judged.account.hash


async def verify_password(session: WriteSession, person_id: str, password: str) -> None:
    """Raises WrongPassword (403) unless it is the person's. Within Write.run: its work begins again when the attempt
    was counted and judged."""
    known = await repository.password(session, person_id)
    for attempt in settled(session, PasswordAttempt):
        if attempt.person_id == person_id and known is not None and attempt.hash == known.hash:
            return
    raise PasswordAttempt(person_id, password)


def scope_of(session: ReadSession, actor: Actor, device: Any | None) -> Scope | None:
    """What a machine speaks for; None: for everything. `device`: as `device_of` has it of the actor."""
    if device is not None:
        return Scope(equipment=frozenset(device.equipment))
    key = session.info["settings"].api_keys.get(actor.id)
    return Scope.of_key(key) if key else None


async def device_of(session: ReadSession, actor: Actor) -> Any | None:
    """Its row, with its equipment and what is allowed of its clock; None for people and the keys of the settings."""
    if actor.kind != "device" or actor.id in session.info["settings"].api_keys:
        return None
    rows = await repository.devices(session, device_id=actor.id)
    return rows[0] if rows else None


async def signing_obstacle(session: ReadSession, person_id: str, role: JobRole) -> str | None:
    """Why this person may not sign in this role, now; None when they may.

    21 CFR 11.10(i) qualification, (j) acknowledgement, 11.100(b) proof of identity, 11.200(a) a password of their own,
    11.300(b) of a limited age.
    """
    person = await repository.person(session, person_id)
    if person is None or person.deactivated_at is not None:
        return "the account is not active"
    password = await repository.password(session, person_id)
    if password is None:
        return "the person has set no password of their own"
    if passwords.is_expired(password.set_at, attempts.rules_of(session).password_age):
        return "the person's password is too old; it is to be changed first"
    if not await repository.has_acknowledged(session, person_id, policy.VERSION):
        return "the person has not acknowledged the policy of electronic signatures"
    if await repository.last_proof(session, person_id) is None:
        return "nobody has proved the person's identity since the account was made or its password was reset"
    held = {row.role: row for row in await repository.roles(session, [person_id], QUALIFIED)}
    if role not in held:
        return f"the person does not hold the role {role}"
    return None if held[role].usable else f"the person has no valid qualification for the role {role}"
