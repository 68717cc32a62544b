"""Passwords: Argon2id (RFC 9106), and what makes one acceptable (NIST SP 800-63B, 3.1.1.2)."""

from __future__ import annotations

import asyncio
import contextlib
import re
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn  # type: ignore[import-untyped]

from kojo_mes.kit.problems import Problem

SHORTEST, LONGEST = 12, 128
LEAST_SCORE = 3  # of 4: safely unguessable, 10^8 guesses or more
RATED = 72  # characters that zxcvbn rates; what comes after makes nothing weaker

_hasher = PasswordHasher()  # RFC 9106's second recommendation: 64 MiB, 3 passes, 4 lanes
# hashing takes memory and a core: two at a time, so that a wave of logins doesn't stop the readings
_workers = ThreadPoolExecutor(2, "argon2")
_nobody = _hasher.hash("nobody's password")
MOST_WAITING = 32
_waiting = 0


def fault(password: str, *about: str) -> str | None:
    """Why a password won't do. `about`: the person's names, which must not make it up."""
    password = _normal(password)
    if not SHORTEST <= len(password) <= LONGEST:
        return f"needs {SHORTEST} to {LONGEST} characters"
    words = [word.casefold() for text in about for word in (text, *re.split(r"[\s._-]+", text))]
    # shorter ones occur by chance, unless they are written in characters of many meanings
    if any(word in password.casefold() for word in words if len(word) > 3 or not word.isascii()):
        return "has the person's name in it"
    rating = zxcvbn(password[:RATED], user_inputs=["kojo", "kojo-mes", "factory", "工場"])
    if rating["score"] < LEAST_SCORE:
        advice = rating["feedback"]["warning"] or "It is too easy to guess."
        return f"is common or easy to guess. {advice} Take several words that don't belong together."
    return None


async def hashed(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_workers, _hasher.hash, _normal(password))


async def matches(stored: str | None, password: str) -> bool:
    """Takes as long for who doesn't exist or has no password."""
    return await asyncio.get_running_loop().run_in_executor(_workers, _matches, stored, _normal(password))


@contextlib.contextmanager
def place() -> Iterator[None]:
    """A place among those whose password is being judged; take it before the attempt is counted. 429 when many wait: a
    flood of logins must not keep people from signing."""
    global _waiting
    if _waiting >= MOST_WAITING:
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-passwords",
            "Too many passwords wait to be judged",
            "Ask again in some seconds.",
            headers={"Retry-After": "5"},
        )
    _waiting += 1
    try:
        yield
    finally:
        _waiting -= 1


def is_expired(set_at: datetime, age: float) -> bool:
    """Is it to be changed, `age` seconds after it was set?"""
    return set_at + timedelta(seconds=age) <= datetime.now(UTC)


def is_outdated(stored: str) -> bool:
    """Was it hashed with lesser parameters than today's?"""
    return _hasher.check_needs_rehash(stored)


def _matches(stored: str | None, password: str) -> bool:
    try:
        return _hasher.verify(stored or _nobody, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def _normal(password: str) -> str:
    """The same characters, however a keyboard composed them."""
    return unicodedata.normalize("NFKC", password)
