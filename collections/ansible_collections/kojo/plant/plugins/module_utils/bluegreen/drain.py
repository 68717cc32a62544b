# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""The end of what a colour still does, on all edges: waited for within a bound, then made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from .together import Answers, Ask, NotSwitched, each, faults, locked

POLL = 0.25


async def drain(edges: Mapping[str, Ask], owner: str, colour: str, seconds: float) -> int:
    """Returns how many sessions were ended because SECONDS were over. Raises NotSwitched."""
    async with locked(edges, owner) as tokens:
        end = time.monotonic() + seconds
        while (left := await sessions(edges, colour)) and time.monotonic() < end:
            await asyncio.sleep(POLL)
        if left:
            _sound(await each(edges, lambda name: {"do": "end", "token": tokens[name], "colour": colour}))
        return left


async def sessions(edges: Mapping[str, Ask], colour: str) -> int:
    """How many are open at COLOUR's servers, on all edges. Raises NotSwitched."""
    answers = _sound(await each(edges, lambda _: {"do": "servers", "colour": colour}))
    servers = [server for answer in answers.values() if isinstance(answer, dict) for server in answer["servers"]]
    return sum(int(server["sessions"]) for server in servers)


def _sound(answers: Answers) -> Answers:
    if against := faults(answers):
        raise NotSwitched(against)
    return answers
