"""/api/v1/archives."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse
from sqlalchemy import Row

from kojo_mes.kit.database import Database
from kojo_mes.kit.pages import DEFAULT_LIMIT, Limit, Page, cursor_of, page_of
from kojo_mes.kit.problems import Problem, responses
from kojo_mes.kit.security import Permission, permitted
from kojo_mes.kit.table_routes import TableRoute
from kojo_mes.retention import repository
from kojo_mes.retention.schemas import ArchiveOut, File, Name
from kojo_mes.retention.service import name_of

router = APIRouter(
    route_class=TableRoute,
    prefix="/api/v1/archives",
    tags=["archives"],
    dependencies=[Depends(permitted(Permission.ARCHIVES_READ))],
    responses=responses(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
)
BEFORE_ALL = ("", "", "")
After = Annotated[tuple[str, str, str] | None, Depends(cursor_of(str, str, str))]


@router.get("")
async def archives(request: Request, cursor: After, limit: Limit = DEFAULT_LIMIT) -> Page[ArchiveOut]:
    """Every archive that was made, by month."""
    database: Database = request.app.state.database
    rows = await database.read(lambda session: repository.listed(session, cursor or BEFORE_ALL, limit + 1))
    return page_of(rows, limit, _shown, lambda row: (row.month.isoformat(), row.kind, row.root))


@router.get("/{name}/{file}", response_class=FileResponse, responses=responses(HTTPStatus.NOT_FOUND))
async def archive_file(request: Request, name: Name, file: File) -> FileResponse:
    """Of an archive that the answering host made; another one may have those that this one hasn't."""
    directory: Path | None = request.app.state.settings.archive_directory
    path = directory / name / file if directory else None
    if path is None or not path.is_file():  # one look at a local folder
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", f"This host has no {name}/{file}")
    return FileResponse(path, media_type="application/octet-stream", filename=file)


def _shown(row: Row[tuple[object]]) -> ArchiveOut:
    return ArchiveOut.model_validate({**row._mapping, "name": name_of(row.kind, row.month)})
