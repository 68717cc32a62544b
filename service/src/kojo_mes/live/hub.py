"""One look at the database for all of a process's listeners: after each note, and now and then without one."""

from __future__ import annotations

import asyncio
import contextlib
import time

from kojo_mes.kit.cache import Cache
from kojo_mes.kit.database import Database, ReadSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.logging import get
from kojo_mes.kit.notes import Notes
from kojo_mes.live import service
from kojo_mes.live.board import Board, Thing
from kojo_mes.live.figures import FigureKeeper
from kojo_mes.live.schemas import SourceNow
from kojo_mes.live.seats import Seats

log = get(__name__)
PAUSE = 0.25  # between two looks at least, and as long as the last one took: a busy plant isn't slowed by being watched
WITH_NOTES = 5.0  # between two looks at most: what time alone changes, and what a lost note was about
WITHOUT_NOTES = 1.0


class Hub:
    def __init__(self, seats: Seats) -> None:
        self.process = new_id()
        self.seats = seats
        self.board = Board()
        self.leaving = False
        self._things: list[Thing] = []
        self._woken = asyncio.Event()
        self._changed = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []

    def wake(self) -> None:
        """Something was written."""
        self._woken.set()

    def leave(self) -> None:
        """The process is about to end: so do its streams."""
        self.leaving = True
        self._tell()

    async def fresh(self) -> None:
        """Returns when the board shows what the database knew at the call, or later. Raises what the look raised."""
        looked = asyncio.get_running_loop().create_future()
        self._waiting.append(looked)
        self.wake()
        await looked

    async def change(self, seconds: float) -> None:
        """Waits until the board changes or the process is about to end, at most so long."""
        changed = self._changed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed.wait()

    async def follow(self, database: Database, cache: Cache, notes: Notes) -> None:
        keeper = FigureKeeper(database, cache)
        try:
            while True:
                await self._wait(notes)
                if self.seats.taken or self._waiting:
                    began = time.monotonic()
                    await self._look(database, keeper)
                    await asyncio.sleep(max(PAUSE, time.monotonic() - began))
        finally:
            keeper.close()

    async def _wait(self, notes: Notes) -> None:
        """An empty house isn't looked after."""
        seconds = (WITH_NOTES if notes.connected else WITHOUT_NOTES) if self.seats.taken else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    async def _look(self, database: Database, keeper: FigureKeeper) -> None:
        waiting, self._waiting = self._waiting, []
        failure = None
        try:
            figures = await keeper.present()

            async def work(session: ReadSession) -> list[Thing]:
                return await service.things(session, figures)

            things = await database.read(work)
            is_news = self.board.post([SourceNow(current=True), *things])
            self._things = things
        except Exception as error:
            log.warning("live_look_failed", reason=str(error.__cause__ or error))
            failure = error
            is_news = self.board.post([SourceNow(current=False), *self._things])
        if is_news:
            self._tell()
        for looked in waiting:
            if looked.done():  # its listener has gone
                continue
            if failure is None:
                looked.set_result(None)
            else:
                looked.set_exception(failure)

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
