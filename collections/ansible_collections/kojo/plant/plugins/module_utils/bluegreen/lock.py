# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Who may change the decision on this edge: one owner at a time, until an instant, by a number that only grows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from .stored import load, store

MOST_SECONDS = 3600


class Held(Exception):
    """Somebody else has the lock, or the token is no longer its."""


@dataclass(frozen=True)
class Holder:
    """OWNER until EXPIRES (seconds since 1970); TOKEN grows with every owner, so that a late one is known."""

    owner: str
    token: int
    expires: float


class Lock:
    """Kept in a file: an agent that begins anew knows who had it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def holder(self, now: float) -> Holder | None:
        last = self._last()
        return last if last and last.expires > now else None

    def take(self, owner: str, seconds: float, now: float) -> Holder:
        """Take it, or hold it for longer: who has it may take it again, under the same token. Raises Held."""
        if not owner or not 0 < seconds <= MOST_SECONDS:
            raise Held(f"a lock has an owner and lasts up to {MOST_SECONDS} s, not {owner!r} and {seconds} s")
        last, current = self._last(), self.holder(now)
        if current and current.owner != owner:
            raise Held(f"{current.owner} has the lock for another {current.expires - now:.0f} s")
        token = current.token if current else (last.token if last else 0) + 1
        return self._keep(Holder(owner, token, now + seconds))

    def check(self, token: int, now: float) -> Holder:
        current = self.holder(now)
        if current is None:
            raise Held("the lock has expired; take it again")
        if current.token != token:
            raise Held(f"{current.owner} has the lock (token {current.token}), not token {token}")
        return current

    def leave(self, token: int, now: float) -> None:
        current = self.holder(now)
        if current and current.token == token:
            self._keep(Holder(current.owner, token, now))

    def _last(self) -> Holder | None:
        last = load(self._path)
        return Holder(**last) if last else None

    def _keep(self, holder: Holder) -> Holder:
        store(self._path, asdict(holder))
        return holder
