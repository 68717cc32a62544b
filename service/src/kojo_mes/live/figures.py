"""Efficiency and health look back over ten minutes of readings: they are made every 5 s, and nobody waits for them."""

from __future__ import annotations

import asyncio
import time

from pydantic import BaseModel

from kojo_mes.kit.cache import Cache
from kojo_mes.kit.database import Database
from kojo_mes.kit.logging import get
from kojo_mes.lines import service as lines_service

log = get(__name__)
INTERVAL = 5.0
OLDEST = 15.0  # then they are shown no more
CACHE_KEY = "live-figures"


class Figures(BaseModel):
    efficiency: dict[str, float | None] = {}
    health: dict[str, float | None] = {}


class FigureKeeper:
    def __init__(self, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache
        self._figures = Figures()
        self._made_at = float("-inf")
        self._making: asyncio.Task[None] | None = None

    async def present(self) -> Figures:
        """Waits only when there are none."""
        if self._age() > INTERVAL and (self._making is None or self._making.done()):
            self._making = asyncio.create_task(self._make())
        if self._age() > OLDEST and self._making is not None:
            await asyncio.wait({self._making})
        return self._figures if self._age() <= OLDEST else Figures()

    def close(self) -> None:
        if self._making is not None:
            self._making.cancel()

    def _age(self) -> float:
        return time.monotonic() - self._made_at

    async def _make(self) -> None:
        """However many processes show them, one asks the database."""
        try:
            if (cached := await self._cache.get(CACHE_KEY)) is not None:
                self._figures = Figures.model_validate_json(cached)
            else:
                self._figures = await self._read()
                await self._cache.put(CACHE_KEY, self._figures.model_dump_json().encode(), int(INTERVAL * 1000))
            self._made_at = time.monotonic()
        except Exception as error:
            log.warning("live_figures_failed", reason=str(error.__cause__ or error))

    async def _read(self) -> Figures:
        lines, equipment = await self._database.read(lines_service.states)
        return Figures(
            efficiency={line.id: _tenths(line.efficiency) for line in lines},
            health={machine.id: _tenths(machine.health) for machine in equipment},
        )


def _tenths(value: float | None) -> float | None:
    """Finer, every listener would be told of every change."""
    return None if value is None else round(value, 1)
