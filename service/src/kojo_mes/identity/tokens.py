"""Access tokens: short-lived, signed references to a session. What their holder may is looked up, not carried."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

import jwt

ALGORITHM = "HS256"
PARTY = "kojo-mes"  # issuer and audience


class AccessTokens:
    def __init__(self, key: bytes, lifetime: timedelta) -> None:
        self._key = key
        self.lifetime = lifetime

    def issue(self, person: str, session: str) -> str:
        now = datetime.now(UTC)
        claims = {
            "iss": PARTY,
            "aud": PARTY,
            "sub": person,
            "sid": session,
            "iat": now,
            "exp": now + self.lifetime,
        }
        return jwt.encode(claims, self._key, ALGORITHM)

    def session(self, token: str) -> str | None:
        """The session that a token refers to, or None when the token is not one of ours or has expired."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=PARTY,
                issuer=PARTY,
                options={"require": ["exp", "iat", "sub", "sid"]},
            )
        except jwt.InvalidTokenError:
            return None
        session: str = claims["sid"]
        return session


def new_secret(prefix: str = "") -> str:
    """256 random bits: so many that a fast hash of them is safe to store."""
    return prefix + secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
