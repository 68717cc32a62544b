"""/api/v1/lines/{line}/counts."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.pages import DEFAULT_LIMIT, Limit, Page, cursor_of
from kojo_mes.kit.periods import Period
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Permission, permitted
from kojo_mes.kit.tables import CONTENT, AsCsv, table
from kojo_mes.kit.versions import IfMatch, etag
from kojo_mes.kit.writes import Write, writing
from kojo_mes.lines.plant import Id
from kojo_mes.production import service
from kojo_mes.production.schemas import Correction, CountOut, CountReceipt, Counts

router = APIRouter(
    prefix="/api/v1/lines/{line}/counts",
    tags=["production"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
READ = [Depends(permitted(Permission.PRODUCTION_READ))]
COLUMNS = (
    "id",
    "line_id",
    "product_id",
    "from_time",
    "to_time",
    "good",
    "scrap",
    "rework",
    "source",
    "recorded_by",
    "version",
)


@router.post(
    "",
    response_model=CountReceipt,
    responses=responses(HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
)
async def take_in(
    write: Annotated[Write, Depends(writing(Permission.PRODUCTION_COUNT))], line: Id, body: Counts
) -> Response:
    """Counts of a line, all or none. The same again is a duplicate, another one of the same time 409."""

    async def work(session: WriteSession) -> CountReceipt:
        return await service.take_in(session, write.actor, line, body.counts)

    return await write.run(work)


@router.get("", dependencies=READ, response_model=Page[CountOut], responses={200: {"content": CONTENT}})
async def counts(
    request: Request,
    as_csv: AsCsv,
    line: Id,
    period: Period,
    cursor: Annotated[tuple[datetime, str] | None, Depends(cursor_of(datetime, str))],
    limit: Limit = DEFAULT_LIMIT,
) -> Page[CountOut] | Response:
    """A line's counts that touch the time, in order."""

    async def work(session: ReadSession) -> Page[CountOut]:
        return await service.page(session, line, period.start, period.end, cursor, limit)

    answer: Page[CountOut] = await request.app.state.database.read(work)
    return table("counts", COLUMNS, answer.items) if as_csv else answer


@router.get("/{count}", dependencies=READ)
async def count(request: Request, response: Response, line: Id, count: UUID) -> CountOut:
    """One count, with its ETag."""

    async def work(session: ReadSession) -> CountOut:
        return await service.count(session, line, str(count))

    answer: CountOut = await request.app.state.database.read(work)
    etag(response, answer.version)
    return answer


@router.put(
    "/{count}",
    response_model=CountOut,
    responses=responses(HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED),
)
async def correct(
    write: Annotated[Write, Depends(writing(Permission.PRODUCTION_CORRECT))],
    line: Id,
    count: UUID,
    version: IfMatch,
    body: Correction,
) -> Response:
    """Other quantities, and why; stored figures of the time are made anew."""

    async def work(session: WriteSession) -> CountOut:
        return await service.correct(session, write.actor, line, str(count), version, body)

    return await write.run(work)
