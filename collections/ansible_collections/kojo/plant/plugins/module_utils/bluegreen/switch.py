# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""A new decision on all edges, at one instant; or none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass

from .decision import Decision
from .wire import Message, Told, Unreachable

LEAD = 0.3  # seconds between the word to commit and the instant: longer than a message takes to the other edge
LOCK_SECONDS = 60.0

Ask = Callable[[Message], Awaitable[Message]]
Change = Callable[[Decision], Decision | None]


class NotSwitched(Exception):
    """The decision that held holds on; and why."""


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


async def survey(edges: Mapping[str, Ask]) -> dict[str, Message | Exception]:
    """Each edge's state, or why there is none."""
    return await _each(edges, lambda _: {"do": "state"})


def newest(states: Mapping[str, Message | Exception]) -> Decision:
    """The decision that holds. Raises NotSwitched when no edge can be asked."""
    held = [Decision(**state["recorded"]) for state in states.values() if isinstance(state, dict)]
    if not held:
        raise NotSwitched("; ".join(str(fault) for fault in states.values()))
    return max(held, key=lambda decision: decision.rank)


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
    tokens = await _lock(here, owner)
    try:
        old = newest(await survey(here))
        new = change(old)
        if new is None:
            return Switched(old, old, 0.0, missing)
        return Switched(old, new, await _Round(here, tokens, why).decide(old, new), missing)
    finally:
        await _each(here, lambda name: {"do": "unlock", "token": tokens[name]})


async def _lock(edges: Mapping[str, Ask], owner: str) -> dict[str, int]:
    """All or none, in the order of their names: of two who want it, one gets it."""
    tokens: dict[str, int] = {}
    try:
        for name in sorted(edges):
            tokens[name] = (await edges[name]({"do": "lock", "owner": owner, "seconds": LOCK_SECONDS}))["token"]
    except (Told, Unreachable) as error:
        await _each({name: edges[name] for name in tokens}, lambda name: {"do": "unlock", "token": tokens[name]})
        raise NotSwitched(str(error)) from error
    return tokens


@dataclass(frozen=True)
class _Round:
    """The edges, locked: what is asked of all of them."""

    edges: Mapping[str, Ask]
    tokens: Mapping[str, int]
    why: str

    async def decide(self, old: Decision, new: Decision) -> float:
        """Returns the skew."""
        if faults := _faults(await self._prepare(new, self.why)):
            await _each(self.edges, lambda name: {"do": "abandon", "token": self.tokens[name]})
            raise NotSwitched(f"not prepared: {faults}")
        answers = await self._commit()
        if faults := _faults(answers):
            await self._prepare(Decision(old.active, old.canary, new.generation + 1), f"taken back: {faults}")
            await self._commit()
            raise NotSwitched(f"not committed everywhere, so taken back: {faults}")
        instants = [answer["committed"] for answer in answers.values() if isinstance(answer, dict)]
        return float(max(instants) - min(instants))

    async def _prepare(self, decision: Decision, why: str) -> dict[str, Message | Exception]:
        asked = {"do": "prepare", "decision": asdict(decision), "why": why}
        return await _each(self.edges, lambda name: asked | {"token": self.tokens[name]})

    async def _commit(self) -> dict[str, Message | Exception]:
        at = time.time() + LEAD
        return await _each(self.edges, lambda name: {"do": "commit", "token": self.tokens[name], "at": at})


async def _each(edges: Mapping[str, Ask], request: Callable[[str], Message]) -> dict[str, Message | Exception]:
    """Ask all at once. An agent's no and its silence are answers too."""

    async def one(name: str, ask: Ask) -> Message | Exception:
        try:
            return await ask(request(name))
        except (Told, Unreachable) as fault:
            return fault

    answers = await asyncio.gather(*(one(name, ask) for name, ask in edges.items()))
    return dict(zip(edges, answers, strict=True))


def _faults(answers: Mapping[str, Message | Exception]) -> str:
    return "; ".join(str(answer) for answer in answers.values() if isinstance(answer, Exception))
