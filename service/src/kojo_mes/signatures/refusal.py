"""Why a signature is refused: each a problem of its own, and an audit entry."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from kojo_mes.identity.roles import JobRole
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.writes import Denied
from kojo_mes.signatures.schemas import Meaning

RETRY_AFTER = "30"  # seconds; a clock takes that long to be corrected


@dataclass(frozen=True)
class Refusal:
    """Of one attempt to sign."""

    ref: RecordRef
    meaning: Meaning
    role: JobRole

    def forbidden(self, kind: str, title: str, detail: str | None = None) -> Denied:
        return self._denied(HTTPStatus.FORBIDDEN, kind, title, detail)

    def unauthenticated(self, kind: str, title: str, detail: str | None = None) -> Denied:
        """401, and that the session's token is not what is lacking (RFC 9470)."""
        denied = self._denied(HTTPStatus.UNAUTHORIZED, kind, title, detail)
        denied.headers = {"WWW-Authenticate": 'Bearer error="insufficient_user_authentication"'}
        return denied

    def conflict(self, kind: str, title: str, detail: str | None = None) -> Denied:
        return self._denied(HTTPStatus.CONFLICT, kind, title, detail)

    def unavailable(self, kind: str, title: str, detail: str | None = None) -> Denied:
        denied = self._denied(HTTPStatus.SERVICE_UNAVAILABLE, kind, title, detail)
        denied.headers = {"Retry-After": RETRY_AFTER}
        return denied

    def _denied(self, status: HTTPStatus, kind: str, title: str, detail: str | None) -> Denied:
        wanted = f"signature: {self.meaning} as {self.role}"
        return Denied(self.ref, wanted, title, detail, status=status, kind=kind)
