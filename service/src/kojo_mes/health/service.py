"""Health: shallow for the balancer, deep for whoever decides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

import kojo_mes
from kojo_mes.health import repository
from kojo_mes.health.schemas import Health, IotHealth, LineSilence
from kojo_mes.kit.cache import Cache
from kojo_mes.kit.database import Database, DatabaseUnavailable
from kojo_mes.kit.metrics import DATABASE_UP
from kojo_mes.readings.repository import totals

DEADLINE = 2.0
PROBE_INTERVAL = 5.0


def alive() -> Health:
    return Health(status="pass", version=kojo_mes.VERSION)


async def database(database: Database) -> Health:
    """Does the primary answer?"""
    return await _checked(database.read(repository.answer, deadline=DEADLINE))


async def ready(database: Database) -> Health:
    """Can a request be stored? Only a committed write knows."""
    health = await _checked(database.write(repository.write, repeatable=True, deadline=DEADLINE))
    DATABASE_UP.set(health.status == "pass")
    return health


async def redis(cache: Cache) -> Health:
    return await _checked(cache.ping())


async def iot(database: Database, silence_limit: float) -> IotHealth:
    """When did each line last send readings?"""
    lines = [
        LineSilence(
            line=row.line,
            status="fail" if row.age is None or row.age > silence_limit else "pass",
            seconds_since_last_reading=row.age,
        )
        for row in await database.read(totals, deadline=DEADLINE)
    ]
    silent = [line.line for line in lines if line.status == "fail"]
    return IotHealth(
        status="fail" if silent else "pass",
        version=kojo_mes.VERSION,
        detail=f"silent for more than {silence_limit:g} s: {', '.join(silent)}" if silent else None,
        lines=lines,
    )


async def watch(database: Database) -> None:
    """Keeps manufacturing_db_up true to the facts while nobody asks."""
    while True:
        await ready(database)
        await asyncio.sleep(PROBE_INTERVAL)


async def _checked(check: Awaitable[object]) -> Health:
    try:
        await check
    except (DatabaseUnavailable, DBAPIError, RedisError, OSError) as error:
        return Health(status="fail", version=kojo_mes.VERSION, detail=str(error.__cause__ or error).splitlines()[0])
    return alive()
