"""Who asks: API keys as bearer tokens. The settings hold only their hashes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from kojo_mes.kit.problems import Problem
from kojo_mes.kit.settings import ApiKey, Role

bearer = HTTPBearer(auto_error=False, description="API key")


class Permission(StrEnum):
    READ = "read"
    SEND_READINGS = "send-readings"


PERMISSIONS = {
    Role.DEVICE: {Permission.READ, Permission.SEND_READINGS},
    Role.OPERATOR: {Permission.READ},
}


@dataclass(frozen=True)
class Client:
    name: str
    role: Role


class KeyRing:
    def __init__(self, keys: dict[str, ApiKey]) -> None:
        self._keys = keys

    def client(self, token: str) -> Client | None:
        """Compares with every key, in constant time: a wrong guess learns nothing from the clock."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        found = None
        for name, key in self._keys.items():
            if hmac.compare_digest(digest, key.sha256):
                found = Client(name, key.role)
        return found


def permitted(permission: Permission) -> Callable[..., Client]:
    """Dependency: the authenticated client, if it may."""

    def authenticate(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
    ) -> Client:
        keys: KeyRing = request.app.state.keys
        client = keys.client(credentials.credentials) if credentials else None
        if client is None:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "unauthenticated",
                "A valid API key is needed",
                "Send it as `Authorization: Bearer <key>`.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if permission not in PERMISSIONS[client.role]:
            raise Problem(HTTPStatus.FORBIDDEN, "not-permitted", f"The role {client.role} may not {permission}")
        return client

    return authenticate


Reader = Annotated[Client, Depends(permitted(Permission.READ))]
Sender = Annotated[Client, Depends(permitted(Permission.SEND_READINGS))]
