"""Export jobs: asked for through the API, made one after another in the background, kept for a week."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from kojo_mes.audit import jobs
from kojo_mes.audit.export import TooMany, export
from kojo_mes.audit.schemas import Export, ExportRequest
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import Database, DatabaseUnavailable, ReadSession, WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.keys import Signer
from kojo_mes.kit.logging import get
from kojo_mes.kit.paper import FontMissing
from kojo_mes.kit.problems import Problem
from kojo_mes.kit.security import Actor

log = get(__name__)
RECORD = "audit-export"
INTERVAL = 2.0
KEPT = timedelta(days=7)
MOST = 500_000  # more: `kojo-mes audit export`, which doesn't take the database's room
STORING = 120.0


async def ask(session: WriteSession, actor: Actor, request: ExportRequest) -> Export:
    export_id = new_id()
    wanted = request.model_dump(by_alias=True)
    await jobs.add(session, export_id, wanted, actor)
    await audit.record(session, actor, "audit:export", RecordRef(RECORD, export_id), new=wanted)
    return await one(session, export_id)


async def one(session: ReadSession, export_id: str) -> Export:
    found = await jobs.one(session, export_id)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", f"There is no export {export_id}")
    return found


async def with_file(session: ReadSession, export_id: str, file: str) -> Export:
    """409 when it isn't done, 410 when its files are gone, 404 when it has no such file."""
    found = await one(session, export_id)
    if found.state == "expired":
        raise Problem(HTTPStatus.GONE, "expired", "The export's files are kept for 7 days", "Ask for it again.")
    if found.state != "done":
        raise Problem(HTTPStatus.CONFLICT, "not-done", f"The export is {found.state}", found.fault)
    if file not in found.files:
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", f"It has no file {file}", f"It has {', '.join(found.files)}.")
    return found


async def run(database: Database, signer: Signer, font: Path) -> None:
    """Until it is cancelled."""
    while True:
        try:
            while export_id := await database.write(jobs.claim):
                await _make(database, signer, font, export_id)
            await database.write(lambda session: jobs.expire(session, KEPT), repeatable=True)
        except (DatabaseUnavailable, DBAPIError, OSError) as error:
            log.warning("audit_export_failed", reason=str(error.__cause__ or error))
        await asyncio.sleep(INTERVAL)


async def _make(database: Database, signer: Signer, font: Path, export_id: str) -> None:
    job = await database.read(lambda session: one(session, export_id))
    with tempfile.TemporaryDirectory(prefix="kojo-mes-export-") as name:
        folder = Path(name)
        try:
            body = await export(
                database,
                job.request,
                job.request.format,
                folder,
                signer,
                {"kind": "person", "id": job.requested_by_id, "name": job.requested_by},
                font,
                MOST,
            )
        except (TooMany, FontMissing, ValueError) as error:
            fault = str(error)
            await database.write(lambda session: jobs.fail(session, export_id, fault), repeatable=True)
            return
        await database.write(lambda session: jobs.finish(session, export_id, folder, body.events), deadline=STORING)
