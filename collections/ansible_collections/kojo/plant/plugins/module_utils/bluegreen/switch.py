# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""A new decision on all edges, at one instant; or none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .decision import Decision
from .wire import Message, Told, Unreachable

LEAD = 0.3  # seconds between the word to commit and the instant: longer than a message takes to the other edge
LOCK_SECONDS = 60.0

Ask = Callable[..., Awaitable[Message]]
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
    answers = await asyncio.gather(*(ask(do="state") for ask in edges.values()), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, Told | Unreachable):
            raise answer
    return dict(zip(edges, answers, strict=True))  # type: ignore[arg-type]  # BaseException is ruled out above


def newest(states: Mapping[str, Message | Exception]) -> Decision:
    """The decision that holds. Raises NotSwitched when no edge can be asked."""
    held = [Decision(**state["recorded"]) for state in states.values() if isinstance(state, dict)]
    if not held:
        raise NotSwitched("; ".join(str(fault) for fault in states.values()))
    return max(held, key=lambda decision: decision.rank)


async def switch(edges: Mapping[str, Ask], owner: str, change: Change, *, all_edges: bool = True) -> Switched:
    """Decide what CHANGE makes of what holds. With ALL_EDGES an edge that can't be asked stands against it."""
    states = await survey(edges)
    missing = tuple(name for name, state in states.items() if not isinstance(state, dict))
    if missing and all_edges:
        raise NotSwitched("; ".join(str(states[name]) for name in missing))
    if (wanted := change(newest(states))) is None:
        old = newest(states)
        return Switched(old, old, 0.0, missing)
    del wanted  # it is decided anew under the lock
    here = {name: ask for name, ask in edges.items() if name not in missing}
    tokens = await _lock(here, owner)
    try:
        old = newest(await survey(here))
        new = change(old)
        if new is None:
            return Switched(old, old, 0.0, missing)
        return Switched(old, new, await _decide(here, tokens, old, new), missing)
    finally:
        await _each(here, lambda name: {"do": "unlock", "token": tokens[name]})


async def _lock(edges: Mapping[str, Ask], owner: str) -> dict[str, int]:
    """All or none, in the order of their names: of two who want it, one gets it."""
    tokens: dict[str, int] = {}
    try:
        for name in sorted(edges):
            tokens[name] = (await edges[name](do="lock", owner=owner, seconds=LOCK_SECONDS))["token"]
    except (Told, Unreachable) as error:
        await _each({name: edges[name] for name in tokens}, lambda name: {"do": "unlock", "token": tokens[name]})
        raise NotSwitched(str(error)) from error
    return tokens


async def _decide(edges: Mapping[str, Ask], tokens: Mapping[str, int], old: Decision, new: Decision) -> float:
    if faults := _faults(await _propose(edges, tokens, new)):
        await _each(edges, lambda name: {"do": "abandon", "token": tokens[name]})
        raise NotSwitched(f"not prepared: {faults}")
    at = time.time() + LEAD
    answers = await _each(edges, lambda name: {"do": "commit", "token": tokens[name], "at": at})
    if faults := _faults(answers):
        back = Decision(old.active, old.canary, new.generation + 1)
        await _propose(edges, tokens, back)
        again = time.time() + LEAD
        await _each(edges, lambda name: {"do": "commit", "token": tokens[name], "at": again})
        raise NotSwitched(f"not committed everywhere, so taken back: {faults}")
    instants = [answer["committed"] for answer in answers.values() if isinstance(answer, dict)]
    return float(max(instants) - min(instants))


async def _propose(edges: Mapping[str, Ask], tokens: Mapping[str, int], new: Decision) -> dict[str, Any]:
    fields = {"active": new.active, "canary": new.canary, "generation": new.generation}
    return await _each(edges, lambda name: {"do": "prepare", "token": tokens[name], "decision": fields})


async def _each(edges: Mapping[str, Ask], request: Callable[[str], Message]) -> dict[str, Any]:
    answers = await asyncio.gather(*(ask(**request(name)) for name, ask in edges.items()), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, Told | Unreachable):
            raise answer
    return dict(zip(edges, answers, strict=True))


def _faults(answers: Mapping[str, Any]) -> str:
    return "; ".join(str(answer) for answer in answers.values() if isinstance(answer, Exception))
