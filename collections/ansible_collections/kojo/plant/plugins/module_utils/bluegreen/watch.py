# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""The watch over a colour on trial: the canary's, or the active one after a switch. A look at all edges once a second;
back to the other colour when it is the better one; held, and said so, when it isn't."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .command import back, down
from .decision import COLOURS, Decision
from .regression import Limits, Regression
from .switch import Switched, switch
from .together import Answers, Ask, NotSwitched, each, faults, newest, survey
from .traffic import Traffic

PERIOD = 1.0
SILENCE = 5  # looks in a row that no edge answers
DOUBTFUL = 0.05  # above which chance of a regression unseen the verdict says so
TRIES = 5  # to switch back, a second apart: somebody else may have the lock
LOOK_SECONDS = 0.9  # that an edge has to answer a look
SWITCH_SECONDS = 4.0  # and to do its part of the way back, within the 15 s that it may take

Level = Callable[[], Awaitable[tuple[bool, str]]]


@dataclass(frozen=True)
class Watched:
    """VERDICT: pass, worse (and switched back) or hold; WHY, AT seconds since 1970. SWITCHED: the way back, if it was
    gone. BEFORE: what the old colour did before. BETA: see Regression. LOOKS: what was seen, a look each."""

    verdict: str
    why: str
    at: float
    held: Decision
    new: str
    old: str
    before: Traffic
    beta: float
    looks: list[dict[str, Any]]
    switched: Switched | None = None
    level: str = ""


class Meter:
    """What the colours did on all edges since the last look. BEFORE: until the first one, since HAProxy began."""

    def __init__(self) -> None:
        self.before = dict.fromkeys(COLOURS, Traffic())
        self._last: dict[tuple[str, str], Traffic] = {}

    def add(self, answers: Answers) -> dict[str, Traffic]:
        did = dict.fromkeys(COLOURS, Traffic())
        for edge, answer in answers.items():
            if isinstance(answer, Exception):
                continue
            for colour in COLOURS:
                now = Traffic(**answer["traffic"][colour])
                last, self._last[edge, colour] = self._last.get((edge, colour)), now
                if last is None:
                    self.before[colour] += now
                else:
                    did[colour] += now.since(last)
        return did


def on_trial(held: Decision) -> tuple[str, str]:
    """The new colour, which is the canary's if there is one, and the old one, which serves after the way back."""
    old = back(held).active
    return next(colour for colour in COLOURS if colour != old), old


async def measure(looking: Mapping[str, Ask], seconds: int) -> Traffic:
    """What the active colour does in the next SECONDS. Raises NotSwitched when no edge can be asked."""
    meter, did, looks = Meter(), Traffic(), _looks(looking, seconds)
    first = await anext(looks)
    meter.add(first)
    active = newest(first).active
    async for answers in looks:
        did += meter.add(answers)[active]
    return did


@dataclass
class Watch:
    """LOOKING, ACTING: the edges, with little and with more patience. OWNER of the lock. BEFORE: what the old colour
    did before, instead of all that it did since HAProxy began. LEVEL: whether a service level is broken, in words."""

    looking: Mapping[str, Ask]
    acting: Mapping[str, Ask]
    owner: str
    seconds: int
    limits: Limits = field(default_factory=Limits)
    before: Traffic | None = None
    level: Level | None = None

    async def run(self) -> Watched:
        """Raises NotSwitched when no edge can be asked from the beginning."""
        meter = Meter()
        looks = _looks(self.looking, self.seconds)
        answers = await anext(looks)
        meter.add(answers)
        trial = _Trial(self, newest(answers), meter.before)
        silent = 0
        async for answers in looks:
            silent = silent + 1 if all(isinstance(answer, Exception) for answer in answers.values()) else 0
            if silent == SILENCE:
                return await trial.hold(f"no edge could be asked for {SILENCE} s: {faults(answers)}")
            if silent:
                continue
            if not (now := newest(answers)).same_service(trial.held):
                return await trial.hold(f"somebody decided otherwise meanwhile (generation {now.generation})")
            if why := trial.look(meter.add(answers), answers):
                return await trial.go_back(why)
        if silent:
            return await trial.hold(f"no edge could be asked at the end: {faults(answers)}")
        return await trial.end()


class _Trial:
    """Of the colour that HELD sends to: NEW, against OLD."""

    def __init__(self, watch: Watch, held: Decision, history: Mapping[str, Traffic]) -> None:
        self.held = held
        self.new, self.old = on_trial(held)
        self._watch = watch
        self._before = watch.before or history[self.old]
        self._regression = Regression(watch.limits, watch.seconds, self._before)
        self._looks: list[dict[str, Any]] = []
        self._here: dict[str, Ask] = {}
        self._level = ""

    def look(self, did: Mapping[str, Traffic], answers: Answers) -> str:
        """Returns why the new colour is worse, or an empty string."""
        self._here = {name: ask for name, ask in self._watch.acting.items() if isinstance(answers[name], dict)}
        new, old = did[self.new], did[self.old]
        away = sorted(answers.keys() - self._here.keys())
        self._looks.append({"at": time.time(), "new": asdict(new), "old": asdict(old), "away": away})
        return self._regression.look(new, old)

    async def end(self) -> Watched:
        """Nothing was seen in time. A service level that is broken is believed if the own counters lean to it."""
        broken = False
        if self._watch.level:
            broken, self._level = await self._watch.level()
        if broken and self._regression.leans:
            return await self.go_back(f"{self._level}; {self._regression.new.ratio:.2%} of its requests failed")
        await self._mark("")
        seen, beta = self._regression.new, self._regression.beta
        doubt = f"; so few that a regression passes with a chance of up to {beta:.0%}" if beta > DOUBTFUL else ""
        return self._told("pass", f"{seen.requests} requests, {seen.failures} failed{doubt}")

    async def go_back(self, why: str) -> Watched:
        """If the old colour is well, as far as anybody can see; the other way round is only for somebody who looks."""
        why = f"{self.new}: {why}"
        if self._regression.old_fails:
            return await self.hold(f"{why}; but {self.old} fails too often itself")
        if against := await down(self._here, self.old):
            return await self.hold(f"{why}; but {against}")
        for _ in range(TRIES):
            try:
                switched = await switch(self._watch.acting, self._watch.owner, why, self._change, all_edges=False)
            except NotSwitched as error:
                against = str(error)
                await asyncio.sleep(PERIOD)
                continue
            if switched.changed:
                return self._told("worse", why, switched)
            return await self.hold(f"{why}; but somebody decided otherwise meanwhile")
        return await self.hold(f"{why}; but not switched back: {against}")

    async def hold(self, why: str) -> Watched:
        await self._mark(why)
        return self._told("hold", why)

    def _change(self, now: Decision) -> Decision | None:
        return back(now) if now.same_service(self.held) else None

    async def _mark(self, why: str) -> None:
        with contextlib.suppress(NotSwitched):  # nobody to tell
            now = newest(await survey(self._watch.acting))
            mark = {"do": "hold", "generation": now.generation, "who": self._watch.owner, "why": why}
            if now.same_service(self.held):
                await each(self._watch.acting, lambda _: mark)

    def _told(self, verdict: str, why: str, switched: Switched | None = None) -> Watched:
        beta = self._regression.beta
        told = (verdict, why, time.time(), self.held, self.new, self.old, self._before, beta, self._looks)
        return Watched(*told, switched, self._level)


async def _looks(edges: Mapping[str, Ask], seconds: int) -> AsyncIterator[Answers]:
    """What the edges answer, now and once a second for SECONDS; a late look is followed by the next at once."""
    begin = time.monotonic()
    for second in range(seconds + 1):
        await asyncio.sleep(begin + second * PERIOD - time.monotonic())
        yield await each(edges, lambda _: {"do": "traffic"})
