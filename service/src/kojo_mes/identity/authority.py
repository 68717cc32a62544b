"""Who a credential belongs to, and what they may: what kit/security.py asks."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from structlog.contextvars import get_contextvars

from kojo_mes.identity import policy, repository
from kojo_mes.identity.matrix import ALLOWED, MACHINES, QUALIFIED
from kojo_mes.identity.recent import Recent
from kojo_mes.identity.roles import JobRole
from kojo_mes.identity.strangers import Caller
from kojo_mes.identity.tokens import AccessTokens, digest
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import Database, ReadSession, WriteSession
from kojo_mes.kit.security import Actor, KeyRing, Permission
from kojo_mes.kit.settings import ApiKey, Role

DEVICE_KEY = "kojo-device."  # what the key of a device begins with


@dataclass(frozen=True)
class Standing:
    """Of whoever is known, lately."""

    id: str
    name: str
    roles: frozenset[str]
    certificate_sha256: str | None = None


class Directory:
    """Implements kit.security.Authority."""

    def __init__(self, keys: dict[str, ApiKey], tokens: AccessTokens, seconds: float = 1.0) -> None:
        """`seconds`: for so long what was looked up of a holder holds."""
        self._keys = KeyRing(keys)
        self._tokens = tokens
        self._recent: Recent[Standing | None] = Recent(seconds)

    async def actor(self, request: Request, credential: str) -> Actor | None:
        if holder := self._keys.holder(credential):
            name, key = holder
            return Actor(
                "device" if key.role is Role.DEVICE else "system", name, name, frozenset({key.role}), request_id()
            )
        database: Database = request.app.state.database
        if credential.startswith(DEVICE_KEY):
            return await self._device(request, database, digest(credential))
        if session_id := self._tokens.session(credential):
            return await self._person(database, session_id)
        return None

    async def _device(self, request: Request, database: Database, key_hash: bytes) -> Actor | None:
        async def look_up() -> Standing | None:
            device = await database.read(lambda session: repository.device_of_key(session, key_hash))
            roles = frozenset({Role.DEVICE})
            return Standing(device.id, device.name, roles, device.certificate_sha256) if device else None

        known = await self._recent.get(key_hash, look_up)
        if known is None:
            await Caller.of(request, request_id()).unknown("device-key", key_hash.hex())
            return None
        actor = Actor("device", known.id, known.name, known.roles, request_id())
        if known.certificate_sha256 not in (None, peer_certificate(request)):
            await Caller.of(request, request_id()).without_certificate(actor)
            return None
        return actor

    async def _person(self, database: Database, session_id: str) -> Actor | None:
        async def look_up() -> Standing | None:
            async def work(session: ReadSession) -> Standing | None:
                holder = await repository.session_holder(session, session_id, policy.VERSION, QUALIFIED)
                return Standing(holder.id, holder.name, frozenset(holder.roles)) if holder else None

            return await database.read(work)

        known = await self._recent.get(session_id, look_up)
        return Actor("person", known.id, known.name, known.roles, request_id(), session_id) if known else None

    def allows(self, actor: Actor, permission: Permission) -> bool:
        if actor.kind == "person":
            return any(permission in ALLOWED[JobRole(role)] for role in actor.roles)
        return any(permission in MACHINES[Role(role)] for role in actor.roles)

    async def refused(self, request: Request, actor: Actor, permission: Permission) -> str | None:
        database: Database = request.app.state.database
        ref = RecordRef("permission", permission)

        async def work(session: WriteSession) -> str | None:
            lacking = await _lacking(session, actor) if actor.kind == "person" else None
            new = {"path": request.url.path}
            await audit.record(session, actor, "denied", ref, new=new, reason=lacking or "not permitted")
            return lacking

        return await database.write(work, repeatable=True)


async def _lacking(session: ReadSession, actor: Actor) -> str | None:
    if not await repository.has_acknowledged(session, actor.id, policy.VERSION):
        return "Acknowledge the policy first: POST /api/v1/identity/me/acknowledgements."
    held = await repository.roles(session, [actor.id], QUALIFIED)
    unqualified = sorted(row.role for row in held if not row.usable)
    return f"There is no valid qualification for {', '.join(unqualified)}." if unqualified else None


def peer_certificate(request: Request) -> str | None:
    """SHA-256 of the client certificate that the listener verified, in hexadecimal (kit/server.py)."""
    fingerprint: str | None = request.scope.get("extensions", {}).get("tls", {}).get("client_cert_sha256")
    return fingerprint


def request_id() -> str:
    """As in the answer's X-Request-Id and on the request's log lines."""
    return str(get_contextvars().get("request_id", ""))
