"""Transactions that keep acknowledged data safe over a failover.

Work is handed over as a function and runs in one transaction; the result comes back only after COMMIT, so an
endpoint can't answer 2xx before it. When the primary goes away, the whole function runs again until its deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, LiteralString, TypeVar

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import Connection, ExceptionContext, ExecutionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from kojo_mes.kit.logging import get
from kojo_mes.kit.metrics import STATEMENT_DURATION
from kojo_mes.kit.settings import DatabaseSettings

log = get(__name__)
T = TypeVar("T")
Session = TypeVar("Session", bound=AsyncSession)

# the server says: shut down, crashed, starting up, read-only (demoted)
GONE = {"57P01", "57P02", "57P03", "25006"}
CONFLICT = {"40001", "40P01"}
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
LONGEST_GOODBYE = 2.0
BEGAN = "kojo_began"  # on a statement's context: when it was sent
LAST = "kojo_last"  # in a session's info: what goes with its COMMIT


class DatabaseUnavailable(Exception):
    """No primary within the deadline. What was asked for may be asked for again."""


class CommitOutcomeUnknown(Exception):
    """The connection was lost during COMMIT: stored or not, only an idempotency key can tell."""


class ReadSession(AsyncSession):
    """For repositories that only read."""


class WriteSession(ReadSession):
    """For repositories that change something; its holder commits."""

    async def driver(self) -> psycopg.AsyncConnection[Any]:
        """For what SQLAlchemy has no words for, in the session's own transaction."""
        connection = (await (await self.connection()).get_raw_connection()).driver_connection
        assert isinstance(connection, psycopg.AsyncConnection)
        return connection

    def leave(self, statement: LiteralString, values: Mapping[str, object]) -> None:
        """For the transaction's end, with a result that nobody reads: sent with COMMIT, it costs no round trip."""
        self.info.setdefault(LAST, []).append((statement, values))


def driver_error(error: BaseException | None) -> psycopg.Error | None:
    """COPY speaks to psycopg directly, the rest goes through SQLAlchemy: one error for both."""
    if isinstance(error, DBAPIError):
        error = error.orig
    return error if isinstance(error, psycopg.Error) else None


def is_gone(error: BaseException | None) -> bool:
    """Is the connection of no more use: closed, or pinned to a server that takes no writes?"""
    if isinstance(error, CommitOutcomeUnknown):
        return True
    cause = driver_error(error)
    if cause is None:
        return False
    if cause.sqlstate is None:
        return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
    return cause.sqlstate in GONE or cause.sqlstate.startswith("08")


def is_conflict(error: BaseException) -> bool:
    cause = driver_error(error)
    return cause is not None and cause.sqlstate in CONFLICT


class Database:
    def __init__(self, settings: DatabaseSettings) -> None:
        self._deadline = settings.database_deadline
        # what only reads has connections of its own: without a transaction a query is one round trip instead of three
        readers = _engine(settings, settings.conninfo(read_only=True), isolation_level="AUTOCOMMIT")
        writers = _engine(settings, settings.conninfo())
        self._engines = (readers, writers)
        info = {"settings": settings}  # rules of the plant, for work that knows nothing but its session
        self._readers = async_sessionmaker(readers, class_=ReadSession, expire_on_commit=False, info=info)
        self._writers = async_sessionmaker(writers, class_=WriteSession, expire_on_commit=False, info=info)
        self._abandoned: set[asyncio.Task[Any]] = set()

    async def read(self, work: Callable[[ReadSession], Awaitable[T]], *, deadline: float | None = None) -> T:
        async def attempt() -> T:
            async with self._session(self._readers) as session:
                return await work(session)

        return await self._within_deadline(attempt, repeatable=True, deadline=deadline)

    async def write(
        self,
        work: Callable[[WriteSession], Awaitable[T]],
        *,
        repeatable: bool = False,
        deadline: float | None = None,
    ) -> T:
        """`repeatable`: running `work` twice stores once, because it keeps its idempotency key in the transaction."""

        async def attempt() -> T:
            async with self._session(self._writers) as session:
                result = await work(session)
                await session.flush()
                try:
                    with STATEMENT_DURATION.labels("commit").time():
                        await _commit(session)
                except (DBAPIError, psycopg.Error) as error:
                    if is_gone(error):
                        raise CommitOutcomeUnknown from error
                    raise
                return result

        return await self._within_deadline(attempt, repeatable=repeatable, deadline=deadline)

    async def close(self) -> None:
        if self._abandoned:
            await asyncio.wait(self._abandoned, timeout=LONGEST_GOODBYE)
        for engine in self._engines:
            await engine.dispose()

    @contextlib.asynccontextmanager
    async def _session(self, sessions: async_sessionmaker[Session]) -> AsyncIterator[Session]:
        async with sessions() as session:
            try:
                yield session
            except Exception as error:
                if is_gone(error):
                    await session.invalidate()
                raise

    async def _within_deadline(
        self, attempt: Callable[[], Awaitable[T]], *, repeatable: bool, deadline: float | None
    ) -> T:
        """A frozen server answers neither a query nor its cancellation: the caller is answered, the attempt is left."""
        task = asyncio.create_task(self._again(attempt, repeatable))
        try:
            done, _ = await asyncio.wait({task}, timeout=deadline or self._deadline)
        except asyncio.CancelledError:
            self._abandon(task)
            raise
        if not done:
            self._abandon(task)
            raise DatabaseUnavailable("deadline passed")
        return task.result()

    async def _again(self, attempt: Callable[[], Awaitable[T]], repeatable: bool) -> T:
        pause = FIRST_PAUSE
        while True:
            try:
                return await attempt()
            except PoolTimeoutError as error:
                raise DatabaseUnavailable from error
            except CommitOutcomeUnknown as error:
                if not repeatable:
                    raise DatabaseUnavailable("the outcome of COMMIT is unknown") from error
                log.warning("commit_repeated", reason=str(error.__cause__))
            except (DBAPIError, psycopg.Error) as error:
                if not (is_gone(error) or is_conflict(error)):
                    raise
                log.warning("transaction_repeated", reason=str(driver_error(error)))
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _abandon(self, task: asyncio.Task[Any]) -> None:
        task.cancel()
        self._abandoned.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning("abandoned_transaction_failed", reason=str(error))


async def _commit(session: WriteSession) -> None:
    if last := session.info.pop(LAST, None):
        driver = await session.driver()
        async with driver.pipeline():  # COMMIT isn't done when what goes before it failed
            for statement, values in last:
                await driver.execute(statement, values)
            await driver.execute("COMMIT", prepare=False)
    await session.commit()  # the driver knows of a transaction that is over, and sends nothing


def _engine(settings: DatabaseSettings, conninfo: str, **options: Any) -> AsyncEngine:
    engine = create_async_engine(
        "postgresql+psycopg://",
        async_creator=lambda: psycopg.AsyncConnection.connect(conninfo),
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_deadline,
        pool_use_lifo=True,
        **options,
    )
    event.listen(engine.sync_engine, "handle_error", _read_only_is_disconnect)
    event.listen(engine.sync_engine, "before_cursor_execute", _statement_begins)
    event.listen(engine.sync_engine, "after_cursor_execute", _statement_ends)
    return engine


def _read_only_is_disconnect(context: ExceptionContext) -> None:
    """Otherwise the pool would stay pinned to a demoted primary."""
    if is_gone(context.original_exception):
        context.is_disconnect = True


def _statement_begins(
    _connection: Connection, _cursor: object, _text: str, _values: object, context: ExecutionContext, _many: bool
) -> None:
    setattr(context, BEGAN, time.perf_counter())


def _statement_ends(
    _connection: Connection, _cursor: object, _text: str, _values: object, context: ExecutionContext, _many: bool
) -> None:
    STATEMENT_DURATION.labels("execute").observe(time.perf_counter() - getattr(context, BEGAN))
