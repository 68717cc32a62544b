"""/api/v1/readings."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from kojo_mes.kit import pages
from kojo_mes.kit.database import Database
from kojo_mes.kit.fields import Time
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Permission, permitted
from kojo_mes.kit.table_routes import TableRoute
from kojo_mes.kit.tables import CONTENT, AsCsv, columns_of, table
from kojo_mes.kit.writes import Write, writing
from kojo_mes.lines.plant import Id
from kojo_mes.readings import service
from kojo_mes.readings.schemas import (
    Batch,
    DeviceCounts,
    Latest,
    Page,
    PartialReceipt,
    Receipt,
    SensorName,
    SourceOut,
    StoredReading,
)

router = APIRouter(
    route_class=TableRoute,
    prefix="/api/v1/readings",
    tags=["readings"],
    responses=responses(HTTPStatus.UNAUTHORIZED, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE),
)
READER = Depends(permitted(Permission.READINGS_READ))


@router.post(
    "",
    response_model=PartialReceipt | Receipt,
    responses=responses(HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
)
async def take_in(
    write: Annotated[Write, Depends(writing(Permission.READINGS_SEND))],
    batch: Batch,
    partial: Annotated[bool, Query(description="store the good readings, and list the others")] = False,
) -> Response:
    """Stores a batch, all of it or nothing. The answer comes after COMMIT; a repeated key gets the first answer."""
    return await service.take_in(write, batch, partial=partial)


@router.get("/sources", dependencies=[READER])
async def sources(
    request: Request,
    cursor: Annotated[tuple[datetime, str, str] | None, Depends(pages.cursor_of(datetime, str, str))],
    limit: pages.Limit = pages.DEFAULT_LIMIT,
) -> pages.Page[SourceOut]:
    """Sequence numbers of each source: how many are missing, came twice, or came out of order. Those first that were
    heard of last."""
    database: Database = request.app.state.database
    return await database.read(lambda session: service.sources(session, cursor, limit))


@router.get("/devices", dependencies=[READER])
async def devices(
    request: Request, cursor: pages.Cursor, limit: pages.Limit = pages.DEFAULT_LIMIT
) -> pages.Page[DeviceCounts]:
    """What came of the readings of each device: late, known before, of a time that its clock can't be right about."""
    database: Database = request.app.state.database
    return await database.read(lambda session: service.devices(session, cursor, limit))


@router.get("/latest", dependencies=[READER])
async def latest(
    request: Request,
    line: Annotated[Id | None, Query(examples=["line-1"])] = None,
) -> Latest:
    """The latest reading of every sensor, or of a line's."""
    answer = await service.latest(request.app.state.database, request.app.state.cache)
    if line is not None:
        answer.items = [item for item in answer.items if item.line == line]
    return answer


@router.get("", dependencies=[READER], response_model=Page, responses={HTTPStatus.OK: {"content": CONTENT}})
async def readings(
    request: Request,
    as_csv: AsCsv,
    sensor: Annotated[SensorName, Query(examples=["press-1.temperature"])],
    start: Annotated[Time, Query(alias="from", examples=["2026-01-05T08:00:00+09:00"])],
    end: Annotated[Time, Query(alias="to", examples=["2026-01-05T20:00:00+09:00"])],
    after: Annotated[Time | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Page | Response:
    """A sensor's readings in the order of time, a page at a time; as CSV, the next page is in the header `Link`."""
    page = await service.page(request.app.state.database, sensor, start, end, after, limit)
    if not as_csv:
        return page
    following = request.url.include_query_params(after=page.next.isoformat()) if page.next is not None else None
    return table("readings", columns_of(StoredReading), page.items, following)
