"""Attempts that belong to no account, or to a locked one: on record, but a flood of them doesn't fill the trail."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from kojo_mes.identity.attempts import ATTEMPTS
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import Database
from kojo_mes.kit.security import Actor

ACTION = "identity:turned-away"
PERIOD = 300.0  # seconds: one entry in it about each subject
MOST = 100  # entries in it about all of them, of this process


class Strangers:
    """What this process told of lately. `key`: what was typed as a name may be a password, whose hash must not help to
    guess it."""

    def __init__(self, key: bytes, now: Callable[[], float] = time.monotonic) -> None:
        self._key = key
        self._now = now
        self._told: dict[RecordRef, float] = {}
        self._untold = 0

    def ref(self, kind: str, credential: str) -> RecordRef:
        """Of what nobody here has: the same for the same, and telling no more than that."""
        return RecordRef(kind, hmac.new(self._key, credential.encode(), hashlib.sha256).hexdigest())

    def untold(self, ref: RecordRef) -> int | None:
        """Tell of this one, and how many attempts went without an entry since the last; None: don't."""
        now = self._now()
        self._told = {known: moment for known, moment in self._told.items() if moment > now - PERIOD}
        if ref in self._told or len(self._told) >= MOST:
            self._untold += 1
            return None
        self._told[ref] = now
        untold, self._untold = self._untold, 0
        return untold


@dataclass(frozen=True)
class Caller:
    """Where an attempt comes from."""

    database: Database
    strangers: Strangers
    address: str
    request_id: str

    @classmethod
    def of(cls, request: Request, request_id: str) -> Caller:
        state = request.app.state
        return cls(state.database, state.strangers, request.client.host if request.client else "", request_id)

    async def unknown(self, kind: str, credential: str) -> None:
        """A user name or key that nobody has."""
        ATTEMPTS.labels("unknown").inc()
        nobody = Actor("system", "nobody", "nobody that is known", frozenset(), self.request_id)
        await self._tell(nobody, self.strangers.ref(kind, credential), f"unknown {kind}")

    async def locked(self, person: Actor) -> None:
        """An account that takes no attempt now."""
        ATTEMPTS.labels("locked").inc()
        await self._tell(person, RecordRef("person", person.id), "the account is locked")

    async def without_certificate(self, device: Actor) -> None:
        """A device's key on a connection that is not the device's own."""
        ATTEMPTS.labels("refused").inc()
        await self._tell(device, RecordRef("device", device.id), "the key came without the device's certificate")

    async def _tell(self, actor: Actor, ref: RecordRef, reason: str) -> None:
        untold = self.strangers.untold(ref)
        if untold is None:
            return
        new = {"address": self.address, "untold": untold}
        await self.database.write(
            lambda session: audit.record(session, actor, ACTION, ref, new=new, reason=reason), repeatable=True
        )
