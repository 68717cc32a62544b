"""SQL of export jobs: their rows, and their files in parts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from kojo_mes.audit.schemas import Export
from kojo_mes.kit.canonical import plain
from kojo_mes.kit.database import Database, ReadSession, WriteSession
from kojo_mes.kit.security import Actor

PART = 1024 * 1024
ABANDONED = timedelta(minutes=15)  # longer than any export takes: its process is gone

ADD = text("""
    INSERT INTO mes.audit_export (id, request, requested_by, requested_by_id)
    VALUES (:id, CAST(:request AS jsonb), :requested_by, :requested_by_id)
""")
ONE = text("""
    SELECT id, state, request, requested_by, requested_by_id, requested_at, finished_at, events, fault,
           array(SELECT DISTINCT file FROM mes.audit_export_part WHERE export_id = id ORDER BY file) AS files
    FROM mes.audit_export WHERE id = :id
""")
CLAIM = text("""
    UPDATE mes.audit_export SET state = 'running', started_at = clock_timestamp()
    WHERE id = (SELECT id FROM mes.audit_export
                WHERE state = 'queued' OR state = 'running' AND started_at < clock_timestamp() - :abandoned
                ORDER BY requested_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id
""")
STORE = text("""
    INSERT INTO mes.audit_export_part (export_id, file, number, data) VALUES (:id, :file, :number, :data)
""")
FINISH = text("""
    UPDATE mes.audit_export SET state = 'done', events = :events, finished_at = clock_timestamp() WHERE id = :id
""")
FAIL = text("""
    UPDATE mes.audit_export SET state = 'failed', fault = :fault, finished_at = clock_timestamp() WHERE id = :id
""")
EXPIRE = text("""
    WITH expired AS (
        UPDATE mes.audit_export SET state = 'expired'
        WHERE state = 'done' AND finished_at < clock_timestamp() - :age RETURNING id
    )
    DELETE FROM mes.audit_export_part WHERE export_id IN (SELECT id FROM expired)
""")
READ_PART = text("""
    SELECT data FROM mes.audit_export_part WHERE export_id = :id AND file = :file AND number = :number
""")


async def add(session: WriteSession, export_id: str, request: dict[str, Any], actor: Actor) -> None:
    who = {"requested_by": actor.name, "requested_by_id": actor.id}
    await session.execute(ADD, {"id": export_id, "request": json.dumps(plain(request)), **who})


async def one(session: ReadSession, export_id: str) -> Export | None:
    row = (await session.execute(ONE, {"id": export_id})).one_or_none()
    return Export.model_validate(dict(row._mapping)) if row else None


async def claim(session: WriteSession) -> str | None:
    """The oldest that waits; it is this process's now."""
    claimed: str | None = (await session.execute(CLAIM, {"abandoned": ABANDONED})).scalar_one_or_none()
    return claimed


async def finish(session: WriteSession, export_id: str, folder: Path, events: int) -> None:
    for path in sorted(folder.iterdir()):  # noqa: ASYNC240  # a local folder that was written a moment ago
        with path.open("rb") as file:
            number = 0
            while (data := file.read(PART)) or number == 0:
                await session.execute(STORE, {"id": export_id, "file": path.name, "number": number, "data": data})
                number += 1
    await session.execute(FINISH, {"id": export_id, "events": events})


async def fail(session: WriteSession, export_id: str, fault: str) -> None:
    await session.execute(FAIL, {"id": export_id, "fault": fault})


async def expire(session: WriteSession, age: timedelta) -> None:
    await session.execute(EXPIRE, {"age": age})


async def content(database: Database, export_id: str, file: str) -> AsyncIterator[bytes]:
    """A file part by part: one is in memory at a time."""
    number = 0
    while (data := await database.read(_part(export_id, file, number))) is not None:
        yield data
        number += 1


def _part(export_id: str, file: str, number: int) -> Any:
    async def read(session: ReadSession) -> bytes | None:
        row: bytes | None = (
            await session.execute(READ_PART, {"id": export_id, "file": file, "number": number})
        ).scalar_one_or_none()
        return row

    return read
