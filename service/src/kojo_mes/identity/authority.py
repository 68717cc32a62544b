"""Who a credential belongs to, and what they may: what kit/security.py asks."""

from __future__ import annotations

from fastapi import Request
from structlog.contextvars import get_contextvars

from kojo_mes.identity.matrix import ALLOWED, MACHINES
from kojo_mes.identity.roles import JobRole
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import Database, WriteSession
from kojo_mes.kit.security import Actor, KeyRing, Permission
from kojo_mes.kit.settings import ApiKey, Role


class Directory:
    """Implements kit.security.Authority."""

    def __init__(self, keys: dict[str, ApiKey]) -> None:
        self._keys = KeyRing(keys)

    async def actor(self, request: Request, credential: str) -> Actor | None:
        if holder := self._keys.holder(credential):
            name, key = holder
            return Actor(
                "device" if key.role is Role.DEVICE else "system", name, name, frozenset({key.role}), request_id()
            )
        return None

    def allows(self, actor: Actor, permission: Permission) -> bool:
        if actor.kind == "person":
            return any(permission in ALLOWED[JobRole(role)] for role in actor.roles)
        return any(permission in MACHINES[Role(role)] for role in actor.roles)

    async def refused(self, request: Request, actor: Actor, permission: Permission) -> None:
        database: Database = request.app.state.database
        ref = RecordRef("permission", permission)

        async def work(session: WriteSession) -> None:
            await audit.record(session, actor, "denied", ref, new={"path": request.url.path}, reason="not permitted")

        await database.write(work, repeatable=True)


def request_id() -> str:
    """As in the answer's X-Request-Id and on the request's log lines."""
    return str(get_contextvars().get("request_id", ""))
