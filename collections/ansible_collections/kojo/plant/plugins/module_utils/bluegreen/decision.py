# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""The decision which colour serves, as it stands in HAProxy's map and in the file that HAProxy reads at its start."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

COLOURS = ("blue", "green")
SERVING, DIGEST = ("active", "canary", "_generation"), "_digest"


class Unsound(Exception):
    """A map that nobody may serve by, and what is wrong with it."""


@dataclass(frozen=True)
class Decision:
    """ACTIVE serves, but for the share CANARY (percent of the sources) that the other colour gets. Of two decisions the
    one with the greater GENERATION holds; two that were made at once are told apart by their digests."""

    active: str
    canary: int = 0
    generation: int = 1

    def __post_init__(self) -> None:
        if self.active not in COLOURS:
            raise Unsound(f"active is {self.active!r}; it must be one of {', '.join(COLOURS)}")
        if not 0 <= self.canary <= 100:
            raise Unsound(f"canary is {self.canary}; it must be a percentage, 0 to 100")
        if self.generation < 1:
            raise Unsound(f"_generation is {self.generation}; the first one is 1")

    @classmethod
    def parse(cls, text: str) -> Decision:
        """Read a map, a key and its value a line. Raises Unsound."""
        entries: dict[str, str] = {}
        for line in text.splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            key, _, value = line.strip().partition(" ")
            if key in entries:
                raise Unsound(f"{key} stands in the map twice")
            entries[key] = value.strip()
        if missing := [key for key in (*SERVING, DIGEST) if key not in entries]:
            raise Unsound(f"the map lacks {', '.join(missing)}")
        if unknown := sorted(entries.keys() - {*SERVING, DIGEST}):
            raise Unsound(f"the map has unknown keys: {', '.join(unknown)}")
        try:
            decision = cls(entries["active"], int(entries["canary"]), int(entries["_generation"]))
        except ValueError as error:
            raise Unsound(f"canary and _generation are whole numbers: {error}") from error
        if decision.digest != entries[DIGEST]:
            raise Unsound(f"the map's digest is {entries[DIGEST]}, and of its entries it is {decision.digest}")
        return decision

    @property
    def idle(self) -> str:
        return next(colour for colour in COLOURS if colour != self.active)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self._serving().encode()).hexdigest()

    @property
    def rank(self) -> tuple[int, str]:
        return self.generation, self.digest

    def next(self, active: str, canary: int = 0) -> Decision:
        return replace(self, active=active, canary=canary, generation=self.generation + 1)

    def same_service(self, other: Decision) -> bool:
        return (self.active, self.canary) == (other.active, other.canary)

    def encode(self) -> str:
        return f"{self._serving()}{DIGEST} {self.digest}\n"

    def _serving(self) -> str:
        return f"active {self.active}\ncanary {self.canary}\n_generation {self.generation}\n"
