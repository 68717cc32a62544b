"""Who asks, and whether they may. Who is known, and what they may, the authority tells (identity/authority.py)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Literal, Protocol

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from kojo_mes.kit.database import DatabaseUnavailable
from kojo_mes.kit.problems import Problem
from kojo_mes.kit.settings import ApiKey
from kojo_mes.kit.throttle import Throttle

bearer = HTTPBearer(auto_error=False, description="access token of a person, or API key of a device")


class Permission(StrEnum):
    """One operation each, `<domain>:<verb>`. Who has it: identity/matrix.py."""

    # people and devices
    PEOPLE_READ = "people:read"
    PEOPLE_KEEP = "people:keep"
    ROLES_GRANT = "roles:grant"
    IDENTITY_PROVE = "identity:prove"
    QUALIFICATIONS_KEEP = "qualifications:keep"
    DEVICES_READ = "devices:read"
    DEVICES_KEEP = "devices:keep"
    DEVICES_TUNE = "devices:tune"

    # lines and readings
    LINES_READ = "lines:read"
    READINGS_READ = "readings:read"
    READINGS_SEND = "readings:send"
    LIVE_READ = "live:read"

    # performance: calendar, states, counts, OEE
    PRODUCTS_READ = "products:read"
    PRODUCTS_DEFINE = "products:define"
    SHIFTS_READ = "shifts:read"
    SHIFTS_PLAN = "shifts:plan"
    LINE_STATES_READ = "line-states:read"
    LINE_STATES_RECORD = "line-states:record"
    LINE_STATES_RECLASSIFY = "line-states:reclassify"
    LINE_STATES_DEFINE = "line-states:define"
    PRODUCTION_READ = "production:read"
    PRODUCTION_COUNT = "production:count"
    PRODUCTION_CORRECT = "production:correct"
    OEE_READ = "oee:read"
    OEE_ROLL_UP = "oee:roll-up"

    # audit
    AUDIT_READ = "audit:read"
    AUDIT_EXPORT = "audit:export"
    AUDIT_IMPORT = "audit:import"
    SEALS_READ = "seals:read"
    JOURNALS_READ = "journals:read"
    ARCHIVES_READ = "archives:read"

    # signatures and changes
    SIGNATURES_READ = "signatures:read"
    CHANGES_READ = "changes:read"
    CHANGES_REQUEST = "changes:request"
    CHANGES_DECIDE = "changes:decide"
    CHANGES_BREAK_GLASS = "changes:break-glass"
    CHANGES_REVIEW = "changes:review"
    CHANGES_AUTHORISATION = "changes:authorisation"
    CHANGES_USE = "changes:use"

    # orders and traceability
    ORDERS_READ = "orders:read"
    ORDERS_PLAN = "orders:plan"
    ORDERS_EXECUTE = "orders:execute"
    TRACEABILITY_READ = "traceability:read"
    TRACEABILITY_BOOK = "traceability:book"
    TRACEABILITY_SHIP = "traceability:ship"
    TRACEABILITY_REVIEW = "traceability:review"
    TRACEABILITY_RELEASE = "traceability:release"

    # quality
    QUALITY_READ = "quality:read"
    QUALITY_DEFINE = "quality:define"
    QUALITY_APPROVE = "quality:approve"
    QUALITY_CALIBRATE = "quality:calibrate"
    QUALITY_CHECK = "quality:check"
    QUALITY_FREEZE_LIMITS = "quality:freeze-limits"
    NONCONFORMANCES_REPORT = "nonconformances:report"
    NONCONFORMANCES_REVIEW = "nonconformances:review"
    NONCONFORMANCES_DISPOSE = "nonconformances:dispose"
    NONCONFORMANCES_CONCEDE = "nonconformances:concede"
    NONCONFORMANCES_REWORK = "nonconformances:rework"
    NONCONFORMANCES_SCRAP = "nonconformances:scrap"
    NONCONFORMANCES_RETURN = "nonconformances:return"
    NONCONFORMANCES_CLOSE = "nonconformances:close"
    HOLDS_PLACE = "holds:place"
    HOLDS_RELEASE = "holds:release"
    CAPA_KEEP = "capa:keep"
    CAPA_IMPLEMENT = "capa:implement"
    CAPA_VERIFY = "capa:verify"


@dataclass(frozen=True)
class Actor:
    """Whoever does something, by value: what is recorded of them stays true when they change."""

    kind: Literal["person", "device", "system"]
    id: str
    name: str
    roles: frozenset[str]
    request_id: str
    session_id: str | None = None


class Authority(Protocol):
    async def actor(self, request: Request, credential: str) -> Actor | None:
        """The holder of a credential, or None when it isn't one (any more)."""

    def allows(self, actor: Actor, permission: Permission) -> bool: ...

    async def refused(self, request: Request, actor: Actor, permission: Permission) -> str | None:
        """Records that an actor asked for what it may not; tells what it lacks, when that is more than a role."""


class KeyRing:
    """API keys of the settings, which hold only their hashes."""

    def __init__(self, keys: dict[str, ApiKey]) -> None:
        self._keys = keys

    def holder(self, token: str) -> tuple[str, ApiKey] | None:
        """Compares with every key, in constant time: a wrong guess learns nothing from the clock."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        found = None
        for name, key in self._keys.items():
            if hmac.compare_digest(digest, key.sha256):
                found = name, key
        return found


def unauthenticated(title: str = "A valid access token or API key is needed") -> Problem:
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "unauthenticated",
        title,
        "Send it as `Authorization: Bearer <token>`.",
        headers={"WWW-Authenticate": "Bearer"},
    )


async def authenticated(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Actor:
    """Dependency: whoever asks, whatever they may. For what everybody may do with their own account."""
    authority: Authority = request.app.state.authority
    throttle: Throttle = request.app.state.throttle
    actor = await authority.actor(request, credentials.credentials) if credentials else None
    if actor is None:
        await throttle.unknown(request)
        raise unauthenticated()
    await throttle.known(request, actor.id)
    return actor


def permitted(permission: Permission) -> Callable[..., Awaitable[Actor]]:
    """Dependency: the authenticated actor, if it may. A refusal is an audit entry."""

    async def authorise(request: Request, actor: Annotated[Actor, Depends(authenticated)]) -> Actor:
        authority: Authority = request.app.state.authority
        if not authority.allows(actor, permission):
            detail = await authority.refused(request, actor, permission)
            roles = ", ".join(sorted(actor.roles)) or "no role"
            title = f"{actor.name} ({roles}) may not {permission}"
            raise Problem(HTTPStatus.FORBIDDEN, "not-permitted", title, detail)
        return actor

    authorise.permission = permission  # type: ignore[attr-defined]  # the test of the matrix walks the routes by it
    return authorise


async def may_still(request: Request, credential: str, permission: Permission) -> bool:
    """For answers that last: does the credential still hold, and may its holder still? While the database doesn't
    answer nothing is known to the contrary, and nothing new is to be had."""
    authority: Authority = request.app.state.authority
    try:
        actor = await authority.actor(request, credential)
    except DatabaseUnavailable:
        return True
    return actor is not None and authority.allows(actor, permission)
