"""/api/v1/audit."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from kojo_mes.audit import exports, jobs, service
from kojo_mes.audit.schemas import (
    AuditEvent,
    Export,
    ExportRequest,
    JournalOut,
    JournalReceipt,
    SealOut,
    Selection,
    Storable,
)
from kojo_mes.kit.database import Database
from kojo_mes.kit.fields import Time
from kojo_mes.kit.pages import DEFAULT_LIMIT, Cursor, Limit, Page, cursor_of
from kojo_mes.kit.problems import Fault, Problem, invalid, responses
from kojo_mes.kit.security import Permission, permitted
from kojo_mes.kit.table_routes import TableRoute
from kojo_mes.kit.writes import Write, writing

router = APIRouter(
    route_class=TableRoute,
    prefix="/api/v1/audit",
    tags=["audit"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
)
READ = Depends(permitted(Permission.AUDIT_READ))
READ_SEALS = Depends(permitted(Permission.SEALS_READ))
READ_JOURNALS = Depends(permitted(Permission.JOURNALS_READ))
EXPORT = Depends(permitted(Permission.AUDIT_EXPORT))
Before = Annotated[tuple[int] | None, Depends(cursor_of(int))]
After = Annotated[int, Query(ge=0, lt=2**63, description="the number of the last one that one has")]
Number = Annotated[int, Path(ge=1, lt=2**63 - 1)]
ExportId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
FileName = Annotated[str, Path(pattern=r"^[a-z.]{1,40}$", examples=["manifest.json", "events.jsonl", "events.pdf"])]
LINES = {
    "application/x-ndjson": {
        "schema": {
            "type": "string",
            "description": "audit/records.py: journal line",
            "examples": [
                '{"event":{"action":"site:changed","id":1,"source":"journal"},"hash":"<64>","key":"<16>",'
                '"previous":"<64>","sequence":1,"signature":"<128>","writer":"control"}\n'
            ],
        }
    }
}
SEAL_LINES = {"application/x-ndjson": {"schema": {"type": "string", "description": "audit/records.py: seal line"}}}


async def _selection(
    record_type: Annotated[Storable | None, Query(examples=["lot"])] = None,
    record_id: Annotated[Storable | None, Query(description="with `record_type`", examples=["L-2026-001"])] = None,
    actor: Annotated[Storable | None, Query(description="id of the person, device or login")] = None,
    action: Annotated[Storable | None, Query(examples=["lots:release"])] = None,
    start: Annotated[Time | None, Query(alias="from")] = None,
    end: Annotated[Time | None, Query(alias="to", description="up to before then")] = None,
) -> Selection:
    given = {"record_type": record_type, "record_id": record_id, "actor": actor, "action": action}
    try:
        return Selection.model_validate({**given, "from": start, "to": end})
    except ValidationError as error:
        detail = error.errors()[0]["msg"].removeprefix("Value error, ")
        field = "to" if detail.startswith("`to`") else "record_id"
        raise invalid([Fault(place="query", field=field, detail=detail)]) from error


@router.get("/events", dependencies=[READ])
async def events(
    request: Request,
    selection: Annotated[Selection, Depends(_selection)],
    cursor: Before,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[AuditEvent]:
    """What was done, the newest first: by record, by who, by action, by time. A record's signings are among its own."""
    database: Database = request.app.state.database
    before = cursor[0] if cursor else None
    return await database.read(lambda session: service.search(session, selection, before, limit))


@router.get("/events/{number}", dependencies=[READ], responses=responses(HTTPStatus.NOT_FOUND))
async def event(request: Request, number: Number) -> AuditEvent:
    database: Database = request.app.state.database
    return await database.read(lambda session: service.one(session, number))


@router.get("/seals", dependencies=[READ_SEALS])
async def seals(request: Request, cursor: Before, limit: Limit = DEFAULT_LIMIT) -> Page[SealOut]:
    """In the order of their numbers."""
    database: Database = request.app.state.database
    after = cursor[0] if cursor else 0
    return await database.read(lambda session: service.seals(session, after, limit))


@router.get(
    "/seals/lines", dependencies=[READ_SEALS], response_class=Response, responses={200: {"content": SEAL_LINES}}
)
async def seal_lines(request: Request, after: After = 0, limit: Limit = DEFAULT_LIMIT) -> Response:
    """Seals after a number, in order, as they stand in an export: for a copy of the chain on another host."""
    database: Database = request.app.state.database
    return _in_lines(await database.read(lambda session: service.seal_lines(session, after, limit)))


@router.get("/journals", dependencies=[READ_JOURNALS])
async def journals(request: Request, cursor: Cursor, limit: Limit = DEFAULT_LIMIT) -> Page[JournalOut]:
    """The writers whose journals were taken in, by name."""
    database: Database = request.app.state.database
    return await database.read(lambda session: service.journals(session, cursor or "", limit))


@router.get(
    "/journals/lines", dependencies=[READ_JOURNALS], response_class=Response, responses={200: {"content": LINES}}
)
async def journal_lines(
    request: Request,
    writer: Annotated[Storable, Query(examples=["ansible"])],
    after: After = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """A writer's lines after a number, in order, to the byte as they were signed: for a copy on another host.
    Fewer than `limit` where they are long (4 MiB in all, and the line that passes that)."""
    database: Database = request.app.state.database
    return _in_lines(await database.read(lambda session: service.journal_lines(session, writer, after, limit)))


def _in_lines(lines: Iterable[bytes]) -> Response:
    return Response(b"".join(line + b"\n" for line in lines), media_type="application/x-ndjson")


@router.post("/exports", status_code=HTTPStatus.ACCEPTED, response_model=Export)
async def ask_for_export(
    write: Annotated[Write, Depends(writing(Permission.AUDIT_EXPORT))], wanted: ExportRequest
) -> Response:
    """Made in the background: ask `GET` until its state is `done`, then take its files, all of them."""
    if write.request.app.state.settings.seal_key_file is None:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "no-seal-key", "This service has no key to sign a manifest with")
    return await write.run(lambda session: exports.ask(session, write.actor, wanted), status=HTTPStatus.ACCEPTED)


@router.get("/exports/{export_id}", dependencies=[EXPORT], responses=responses(HTTPStatus.NOT_FOUND))
async def export(request: Request, export_id: ExportId) -> Export:
    database: Database = request.app.state.database
    return await database.read(lambda session: exports.one(session, export_id))


@router.get(
    "/exports/{export_id}/files/{file}",
    dependencies=[EXPORT],
    response_class=Response,
    responses={
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
        **responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE),
    },
)
async def export_file(request: Request, export_id: ExportId, file: FileName) -> StreamingResponse:
    """A file of a finished export. `kojo-mes audit verify manifest.json --key …` checks them, in one folder."""
    database: Database = request.app.state.database
    await database.read(lambda session: exports.with_file(session, export_id, file))
    return StreamingResponse(
        jobs.content(database, export_id, file),
        media_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{file}"'},
    )


@router.post(
    "/journal",
    response_model=JournalReceipt,
    openapi_extra={"requestBody": {"required": True, "content": LINES}},
    responses=responses(HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
)
async def take_in_journal(write: Annotated[Write, Depends(writing(Permission.AUDIT_IMPORT))]) -> Response:
    """Lines of another writer's journal, 1 to 500, in order; all of them or none. Sent again, they are counted."""
    body = await write.request.body()
    keys = service.journal_keys(write.request.app.state.settings.journal_keys)
    return await write.run(lambda session: service.take_in(session, write.actor, body, keys))
