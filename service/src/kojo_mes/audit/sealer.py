"""Seals new audit rows every half second, and writes each seal to a file off the database's hosts.

Every API process tries; an advisory lock lets one win. Nothing here is on a write's path. A transaction that stays
open holds the horizon, and with it the seals: audit_seal_age_seconds shows it.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import Counter, Gauge
from sqlalchemy.exc import DBAPIError

from kojo_mes.audit import records, repository
from kojo_mes.audit.records import FIRST_PREVIOUS, Seal
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import Database, DatabaseUnavailable, ReadSession, WriteSession
from kojo_mes.kit.keys import Signer
from kojo_mes.kit.logging import get
from kojo_mes.kit.security import Actor

log = get(__name__)
INTERVAL = 0.5
PAUSE_AFTER_FAILURE = 2.0
BATCH = 2000
CATCH_UP = 500
HEARTBEAT = 60.0
DEADLINE = 10.0
PARTITIONS_INTERVAL = 6 * 3600
SELF = Actor("system", "kojo-mes", "kojo-mes", frozenset(), "sealer")

SEAL_AGE = Gauge(
    "audit_seal_age_seconds", "Since the last seal; a heartbeat makes one every 60 s when nothing else does"
)
SEALED = Counter("audit_sealed_entries_total", "Audit rows that this process sealed, by who wrote them", ["source"])
for _source in ("service", "database", "journal"):
    SEALED.labels(_source)  # an increase is seen only in a series that was there before
SEAL_FAILURES = Counter("audit_seal_failures_total", "Attempts to seal, or to write seals to the file, that failed")
CHAIN_BROKEN = Gauge(
    "audit_seal_chain_broken", "1 when the database's seals don't continue the file's: one of the two was altered"
)


class ChainBroken(Exception):
    """The database's next seal doesn't continue what was written down before."""


async def run(database: Database, signer: Signer, directory: Path | None) -> None:
    """Until it is cancelled."""
    last_sealed_at = time.time()
    SEAL_AGE.set_function(lambda: max(0.0, time.time() - last_sealed_at))
    partitions_due = 0.0
    while True:
        pause = INTERVAL
        try:
            if time.monotonic() > partitions_due:
                await database.write(repository.make_partitions_ahead, repeatable=True)
                partitions_due = time.monotonic() + PARTITIONS_INTERVAL
            if await seal(database, signer) == BATCH:
                pause = 0
            if last := await database.read(repository.last_seal, deadline=DEADLINE):
                last_sealed_at = last.sealed_at.timestamp()
                if directory:
                    await publish(database, directory, last.number)
        except ChainBroken as error:
            CHAIN_BROKEN.set(1)
            log.error("audit_seal_chain_broken", reason=str(error))
            pause = HEARTBEAT
        except (DatabaseUnavailable, DBAPIError, OSError, ValueError) as error:
            SEAL_FAILURES.inc()
            log.error("audit_seal_failed", reason=str(error.__cause__ or error))
            pause = PAUSE_AFTER_FAILURE
        await asyncio.sleep(pause)


async def seal(database: Database, signer: Signer) -> int:
    """Seals what can be sealed, a batch at most; how many rows. Nothing new for a minute: a heartbeat to be sealed."""

    async def work(session: WriteSession) -> Sequence[records.Event]:
        if not await repository.be_the_one(session):
            return []
        last = await repository.last_seal(session)
        events = await repository.unsealed(session, last, BATCH)
        now = await repository.clock(session)
        if events:
            number, previous = (last.number + 1, last.hash) if last else (1, FIRST_PREVIOUS)
            # in a thread: hashing a full batch takes longer than a request may wait
            await repository.store_seal(
                session, await asyncio.to_thread(records.seal, signer, number, previous, events, now)
            )
        elif (newest := await repository.newest_at(session)) is None or (now - newest).total_seconds() > HEARTBEAT:
            await audit.record(session, SELF, "audit:heartbeat", RecordRef("audit", "seal"))
        return events

    events = await database.write(work, repeatable=True, deadline=DEADLINE)
    for event in events:
        SEALED.labels(event.source).inc()
    return len(events)


async def publish(database: Database, directory: Path, newest: int) -> None:
    """Appends the seals that the directory lacks to its file of the seal's month. A seal is a line, as in an export.

    ChainBroken when the first of them doesn't continue the last line.
    """
    while (last := await asyncio.to_thread(last_published, directory))[0] < newest:

        async def missing(session: ReadSession, after: int = last[0]) -> list[Seal]:
            return await repository.seals_after(session, after, CATCH_UP)

        await asyncio.to_thread(_append, directory, await database.read(missing, deadline=DEADLINE))
    if last[0] > newest:
        raise ChainBroken(f"the file ends with seal {last[0]}, the database with {newest}: seals were removed from it")
    CHAIN_BROKEN.set(0)


def last_published(directory: Path) -> tuple[int, bytes]:
    """Number and hash of the last seal on file; (0, zero bytes) before the first."""
    for path in sorted(directory.glob("seals-*.jsonl"), reverse=True):
        line, _ = _last_whole_line(path)
        if line:
            _, body, _ = records.split_seal_line(line)
            return int(json.loads(body)["number"]), records.seal_hash(body)
    return 0, FIRST_PREVIOUS


def _append(directory: Path, seals: Sequence[Seal]) -> None:
    """Blue and green share the directory: whoever holds its lock looks again at what is on file."""
    lock = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        number, previous = last_published(directory)
        for seal in seals:
            if seal.number <= number:
                continue
            body = json.loads(seal.body)
            if (seal.number, body["number"], body["previous"]) != (number + 1, number + 1, previous.hex()):
                raise ChainBroken(f"seal {seal.number} of the database doesn't continue seal {number} of the file")
            _write(directory / f"seals-{seal.sealed_at:%Y-%m}.jsonl", seal.line() + b"\n")
            number, previous = seal.number, seal.hash
    finally:
        os.close(lock)


def _write(path: Path, line: bytes) -> None:
    """Takes what a crash or a full disk left of a line off first: it was never counted as written."""
    with path.open("a+b") as file:
        file.truncate(_last_whole_line(path)[1])
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _last_whole_line(path: Path) -> tuple[bytes, int]:
    """The last line that ends, without its end, and where the file's whole lines end."""
    with path.open("rb") as file:
        position, data = file.seek(0, os.SEEK_END), b""
        while position and data.count(b"\n") < 2:
            step = min(position, 65536)
            position -= step
            file.seek(position)
            data = file.read(step) + data
    whole, end, _ = data.rpartition(b"\n")
    return whole.rpartition(b"\n")[2], position + len(whole + end)
