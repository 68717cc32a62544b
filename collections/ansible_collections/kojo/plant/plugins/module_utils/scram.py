# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""PostgreSQL's SCRAM-SHA-256 verifiers (RFC 5802): what the server keeps of a password."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

ITERATIONS = 4096
SALT_BYTES = 16
_FORM = re.compile(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):([^:]+)")


def verifier(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """The verifier of PASSWORD. ASCII only: other passwords would have to be normalised first (SASLprep)."""
    if not password.isascii():
        raise ValueError("a password of a database role may have ASCII characters only")
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (
        base64.b64encode(part).decode() for part in (salt, hashlib.sha256(client_key).digest(), server_key)
    )
    return f"SCRAM-SHA-256${iterations}:{salt64}${stored64}:{server64}"


def matches(password: str, kept: str | None) -> bool:
    """Whether KEPT is a verifier of PASSWORD."""
    form = _FORM.fullmatch(kept or "")
    if form is None:
        return False
    mine = verifier(password, base64.b64decode(form[2]), int(form[1]))
    return hmac.compare_digest(mine, form[0])
