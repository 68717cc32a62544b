"""Writes as the service's own do, with and without their audit row, in turn: tools/figures/audit_cost.py runs it.

On an app host of a plant, as the service's user with its settings. A write is what kit/writes.py makes of every one:
its key is claimed, a record's row is stored, its answer is remembered, and COMMIT waits for the synchronous standby;
audited, `record()` of kit/audit.py adds its row in the same transaction. The job is one JSON line on standard input:
`writers`, `rounds` and `seconds`. On standard output is a JSON line a round: `plain` and `audited` writes a second.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from typing import Any

import structlog
from sqlalchemy import text

from kojo_mes.kit import audit, idempotency
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import Database, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.security import Actor
from kojo_mes.kit.settings import WriterSettings, load

ACTOR = Actor("system", "load-test", "Load test", frozenset({"operator"}), new_id())
CONTENT = {"line": "load-test", "product": "housing-100", "quantity": "120.000", "state": "released", "version": 1}
# a table of the measurement's own: one of the plant's would record a change that nobody called record() for
INSERT = text("INSERT INTO mes.load_test (id, content) VALUES (:id, CAST(:content AS jsonb))")
numbers = itertools.count(1)


async def write(database: Database, run: str, *, audited: bool) -> None:
    record_id, answer = new_id(), json.dumps(CONTENT)
    key = f"{run}-{next(numbers)}"

    async def work(session: WriteSession) -> None:
        await idempotency.claim(session, ACTOR.id, key, b"0" * 32, wait=False)
        await session.execute(INSERT, {"id": record_id, "content": answer})
        if audited:
            await audit.record(session, ACTOR, "load-test:write", RecordRef("load-test", record_id, 1), new=CONTENT)
        idempotency.remember(session, ACTOR.id, key, answer)

    await database.write(work, repeatable=True)


async def rate(database: Database, job: dict[str, Any], run: str, *, audited: bool) -> float:
    """Return writes a second, of all writers together."""
    end = time.monotonic() + job["seconds"]

    async def writer() -> int:
        for count in itertools.count():
            if time.monotonic() >= end:
                return count
            await write(database, run, audited=audited)
        raise AssertionError

    started = time.monotonic()
    counts = await asyncio.gather(*(writer() for _ in range(job["writers"])))
    return sum(counts) / (time.monotonic() - started)


async def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    job = json.loads(sys.stdin.readline())
    database = Database(load(WriterSettings).model_copy(update={"database_pool_size": job["writers"]}))
    run = f"load-test-{new_id()}"
    try:
        await rate(database, {**job, "seconds": 2}, run, audited=True)  # connections, plans, caches
        for number in range(job["rounds"]):
            # each goes first in every other round
            kinds = (False, True) if number % 2 else (True, False)
            rates = {audited: await rate(database, job, run, audited=audited) for audited in kinds}
            print(json.dumps({"plain": rates[False], "audited": rates[True]}), flush=True)
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(main())
