# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""A new decision on all edges, at one instant; or none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from .decision import Decision
from .together import Answers, Ask, NotSwitched, each, faults, locked, newest, survey

LEAD = 0.1  # seconds between the word to commit and the instant: longer than a message takes to the other edge

Change = Callable[[Decision], Decision | None]


@dataclass(frozen=True)
class Switched:
    """OLD and NEW decision (the same if nothing was to be done); SKEW: seconds between the first and last edge's
    commit; MISSING: the edges that could not be asked, which take the decision over when they come back."""

    old: Decision
    new: Decision
    skew: float
    missing: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return self.old != self.new


async def switch(edges: Mapping[str, Ask], owner: str, why: str, change: Change, *, all_edges: bool = True) -> Switched:
    """Decide what CHANGE makes of what holds; it is asked before the lock is taken, and again under it.
    With ALL_EDGES an edge that can't be asked stands against it. Raises NotSwitched."""
    states = await survey(edges)
    missing = tuple(name for name, state in states.items() if not isinstance(state, dict))
    if missing and all_edges:
        raise NotSwitched("; ".join(str(states[name]) for name in missing))
    if change(held := newest(states)) is None:
        return Switched(held, held, 0.0, missing)
    here = {name: ask for name, ask in edges.items() if name not in missing}
    async with locked(here, owner) as tokens:
        old = newest(await survey(here))
        new = change(old)
        if new is None:
            return Switched(old, old, 0.0, missing)
        return Switched(old, new, await _Round(here, tokens, why).decide(old, new), missing)


async def prepare(edges: Mapping[str, Ask], owner: str, why: str, change: Change) -> Switched:
    """Put the decision on all edges, unseen, and keep them locked for OWNER. Raises NotSwitched."""
    async with locked(edges, owner, keep=True) as tokens:
        old = newest(await survey(edges))
        if (new := change(old)) is None:
            return Switched(old, old, 0.0, ())
        await _Round(edges, tokens, why).stage(new)
        return Switched(old, new, 0.0, ())


async def abandon(edges: Mapping[str, Ask], owner: str) -> None:
    """Forget what OWNER prepared, and let the edges go. Raises NotSwitched."""
    async with locked(edges, owner) as tokens:
        await each(edges, lambda name: {"do": "unlock", "token": tokens[name]})


@dataclass(frozen=True)
class _Round:
    """The edges, locked: what is asked of all of them."""

    edges: Mapping[str, Ask]
    tokens: Mapping[str, int]
    why: str

    async def decide(self, old: Decision, new: Decision) -> float:
        """Returns the skew."""
        await self.stage(new)
        answers = await self._commit()
        if against := faults(answers):
            await self._prepare(Decision(old.active, old.canary, new.generation + 1), f"taken back: {against}")
            await self._commit()
            raise NotSwitched(f"not committed everywhere, so taken back: {against}")
        instants = [answer["committed"] for answer in answers.values() if isinstance(answer, dict)]
        return float(max(instants) - min(instants))

    async def stage(self, new: Decision) -> None:
        if against := faults(await self._prepare(new, self.why)):
            await each(self.edges, lambda name: {"do": "abandon", "token": self.tokens[name]})
            raise NotSwitched(f"not prepared: {against}")

    async def _prepare(self, decision: Decision, why: str) -> Answers:
        asked = {"do": "prepare", "decision": asdict(decision), "why": why}
        return await each(self.edges, lambda name: asked | {"token": self.tokens[name]})

    async def _commit(self) -> Answers:
        at = time.time() + LEAD
        return await each(self.edges, lambda name: {"do": "commit", "token": self.tokens[name], "at": at})
