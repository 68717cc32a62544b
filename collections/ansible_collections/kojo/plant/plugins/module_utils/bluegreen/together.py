# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Asking all edges at once, and holding them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from .decision import Decision
from .wire import Message, Told, Unreachable

LOCK_SECONDS = 60.0

Ask = Callable[[Message], Awaitable[Message]]
Answers = Mapping[str, "Message | Exception"]


class NotSwitched(Exception):
    """The decision that held holds on; and why."""


async def each(edges: Mapping[str, Ask], request: Callable[[str], Message]) -> dict[str, Message | Exception]:
    """An agent's no and its silence are answers too."""

    async def one(name: str, ask: Ask) -> Message | Exception:
        try:
            return await ask(request(name))
        except (Told, Unreachable) as fault:
            return fault

    answers = await asyncio.gather(*(one(name, ask) for name, ask in edges.items()))
    return dict(zip(edges, answers, strict=True))


def faults(answers: Answers) -> str:
    """What stands against it, or an empty string."""
    return "; ".join(str(answer) for answer in answers.values() if isinstance(answer, Exception))


async def survey(edges: Mapping[str, Ask]) -> dict[str, Message | Exception]:
    """Each edge's state, or why there is none."""
    return await each(edges, lambda _: {"do": "state"})


def newest(states: Answers) -> Decision:
    """The decision that holds. Raises NotSwitched when no edge can be asked."""
    held = [Decision(**state["recorded"]) for state in states.values() if isinstance(state, dict)]
    if not held:
        raise NotSwitched(faults(states))
    return max(held, key=lambda decision: decision.rank)


@contextlib.asynccontextmanager
async def locked(edges: Mapping[str, Ask], owner: str, *, keep: bool = False) -> AsyncIterator[dict[str, int]]:
    """All or none, in the order of their names: of two who want them, one gets them. Yields the tokens. What OWNER held
    before is held on afterwards; with KEEP all are, if the block ends well. Raises NotSwitched."""
    tokens: dict[str, int] = {}
    fresh: dict[str, Ask] = {}
    try:
        for name in sorted(edges):
            taken = await edges[name]({"do": "lock", "owner": owner, "seconds": LOCK_SECONDS})
            tokens[name] = taken["token"]
            if taken["fresh"]:
                fresh[name] = edges[name]
        yield tokens
        if keep:
            fresh.clear()
    except (Told, Unreachable) as error:
        raise NotSwitched(str(error)) from error
    finally:
        await each(fresh, lambda name: {"do": "unlock", "token": tokens[name]})
