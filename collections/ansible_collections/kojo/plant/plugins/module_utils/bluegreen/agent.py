# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""What an edge does when it is told: the one place that changes its decision, in the order that it is asked.

A request is a JSON object in a line, and so is the answer; it has `error` and `message` if it was not carried out.
`do` is one of: `state`; `lock` with `owner` and `seconds`; `unlock`, `abandon` with `token`; `prepare` with `token`,
`why` and `decision` (`active`, `canary`, `generation`); `commit` with `token` and `at`, seconds since 1970, at most a
second ahead; `servers` with `colour`; `end` with `token` and `colour`: of the sessions that the idle colour still has;
`traffic`: of both colours; `hold` with `generation`, `who` and `why`: a watch's mark on that decision, taken away with
an empty `why`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from .decision import COLOURS, Decision, Unsound
from .edge import Edge, Fenced, Prepared
from .haproxy_runtime import RuntimeFault
from .history import History
from .hold import Hold, Mark
from .lock import Held, Lock

LONGEST_WAIT = 1.0  # seconds: an edge whose clock is far behind must not stay behind the others

Message = dict[str, Any]


class Agent:
    """The commands, one after the other. CLOCK is the plant's time, seconds since 1970."""

    def __init__(
        self, name: str, edge: Edge, lock: Lock, history: History, hold: Hold, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = name
        self._edge, self._lock, self._history, self._hold, self._clock = edge, lock, history, hold, clock
        self._turn = asyncio.Lock()
        self._prepared: Prepared | None = None
        self._prepared_under, self._why = 0, ""

    async def answer(self, request: Mapping[str, Any]) -> Message:
        """Carry a request out. What can't be is told, never raised."""
        commands = {
            "state": self._state,
            "lock": self._take,
            "unlock": self._leave,
            "prepare": self._prepare,
            "commit": self._commit,
            "abandon": self._abandon,
            "servers": self._servers,
            "end": self._end,
            "traffic": self._traffic,
            "hold": self._mark,
        }
        try:
            command = commands[str(request["do"])]
            async with self._turn:
                return await command(request)
        except (Held, Fenced, Unsound, RuntimeFault) as error:
            return {"error": type(error).__name__, "message": f"{self.name}: {error}"}
        except (KeyError, TypeError, ValueError) as error:
            return {"error": "Malformed", "message": f"{self.name}: {error!r} in the request"}

    async def adopt(self, decision: Decision, source: str) -> bool:
        """Take another edge's decision over, if it is newer. Whoever prepares one here is fenced off by it."""
        async with self._turn:
            if decision.rank <= self._edge.recorded().rank:
                return False
            self._forget()
            self._enact(self._edge.prepare(decision), source, "taken over")
            return True

    async def heal(self) -> bool:
        async with self._turn:
            return self._edge.heal()

    async def _state(self, _request: Mapping[str, Any]) -> Message:
        holder = self._lock.holder(self._clock())
        try:
            serving: Message = {"serving": asdict(self._edge.serving())}
        except (Unsound, RuntimeFault) as error:
            serving = {"serving": None, "fault": str(error)}
        prepared = asdict(self._prepared.decision) if self._prepared else None
        recorded = self._edge.recorded()
        mark = self._hold.mark(recorded.generation)
        return {
            "name": self.name,
            "recorded": asdict(recorded),
            "held": asdict(mark) if mark else None,
            "prepared": prepared,
            "lock": asdict(holder) if holder else None,
            "time": self._clock(),
            **serving,
        }

    async def _take(self, request: Mapping[str, Any]) -> Message:
        before = self._lock.holder(self._clock())
        holder = self._lock.take(str(request["owner"]), float(request["seconds"]), self._clock())
        if self._prepared_under != holder.token:
            self._forget()  # of an owner that didn't come back
        return {"token": holder.token, "expires": holder.expires, "fresh": before is None}

    async def _leave(self, request: Mapping[str, Any]) -> Message:
        token = int(request["token"])
        if self._prepared_under == token:
            self._forget()
        self._lock.leave(token, self._clock())
        return {}

    async def _prepare(self, request: Mapping[str, Any]) -> Message:
        token = self._lock.check(int(request["token"]), self._clock()).token
        self._forget()
        self._why = str(request["why"])
        self._prepared, self._prepared_under = self._edge.prepare(Decision(**request["decision"])), token
        return {"digest": self._prepared.decision.digest}

    async def _commit(self, request: Mapping[str, Any]) -> Message:
        holder = self._lock.check(int(request["token"]), self._clock())
        at = float(request["at"])
        if self._prepared is None or self._prepared_under != holder.token:
            raise Held("nothing is prepared under this token")
        # a word that comes late is carried out at once: the other edges have done it
        await asyncio.sleep(min(max(at - self._clock(), 0.0), LONGEST_WAIT))
        prepared, self._prepared = self._prepared, None
        return {"committed": self._enact(prepared, holder.owner, self._why)}

    async def _abandon(self, request: Mapping[str, Any]) -> Message:
        self._lock.check(int(request["token"]), self._clock())
        self._forget()
        return {}

    async def _servers(self, request: Mapping[str, Any]) -> Message:
        return {"servers": [asdict(server) for server in self._edge.runtime.servers(_colour(request))]}

    async def _end(self, request: Mapping[str, Any]) -> Message:
        self._lock.check(int(request["token"]), self._clock())
        colour = _colour(request)
        if colour == self._edge.recorded().active:
            raise Held(f"{colour} serves; its sessions are not ended")
        for server in self._edge.runtime.servers(colour):
            self._edge.runtime.end_sessions(colour, server.name)
        return {}

    async def _traffic(self, _request: Mapping[str, Any]) -> Message:
        traffic = {colour: asdict(self._edge.runtime.traffic(colour)) for colour in COLOURS}
        return {"recorded": asdict(self._edge.recorded()), "traffic": traffic}

    async def _mark(self, request: Mapping[str, Any]) -> Message:
        mark = Mark(int(request["generation"]), str(request["who"]), str(request["why"]), self._clock())
        if mark.why:
            self._hold.keep(mark)
        else:
            self._hold.leave()
        return {}

    def _enact(self, prepared: Prepared, who: str, why: str) -> float:
        old = self._edge.recorded()
        self._edge.commit(prepared)
        instant = self._clock()
        self._history.add(at=instant, who=who, why=why, old=asdict(old), new=asdict(prepared.decision))
        return instant

    def _forget(self) -> None:
        if self._prepared is not None:
            self._edge.abandon(self._prepared)
        self._prepared = None


def _colour(request: Mapping[str, Any]) -> str:
    return Decision(str(request["colour"])).active
