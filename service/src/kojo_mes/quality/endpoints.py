"""/api/v1/quality: checks, control charts, rules."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from kojo_mes.characteristics.schemas import CharacteristicId
from kojo_mes.gauges.schemas import GaugeId
from kojo_mes.kit.database import Database
from kojo_mes.kit.fields import MaterialId, Time
from kojo_mes.kit.pages import DEFAULT_LIMIT, Cursor, Limit, Page, cursor_of
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Actor, Permission, permitted
from kojo_mes.kit.table_routes import TableRoute
from kojo_mes.kit.tables import CONTENT, AsCsv, columns_of, table
from kojo_mes.kit.writes import Write, writing
from kojo_mes.nonconformance.schemas import LineId, RecordId
from kojo_mes.quality import charting, service
from kojo_mes.quality.repository import CheckFilter
from kojo_mes.quality.schemas import (
    CapabilityOut,
    ChartData,
    ChartId,
    ChartIn,
    ChartOut,
    CheckDetail,
    CheckIn,
    CheckOut,
    CheckReceipt,
    LimitsIn,
    LimitsOut,
    PlottedPoint,
    Rules,
)

router = APIRouter(
    route_class=TableRoute,
    prefix="/api/v1/quality",
    tags=["quality"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
)
Reader = Annotated[Actor, Depends(permitted(Permission.QUALITY_READ))]
Checker = Annotated[Write, Depends(writing(Permission.QUALITY_CHECK))]
Definer = Annotated[Write, Depends(writing(Permission.QUALITY_DEFINE))]
Freezer = Annotated[Write, Depends(writing(Permission.QUALITY_FREEZE_LIMITS))]
From = Annotated[Time | None, Query(alias="from", description="measured at that time or later")]
To = Annotated[Time | None, Query(alias="to", description="measured before that time")]
Chart = Annotated[ChartId, Path()]
Before = Annotated[tuple[datetime, str] | None, Depends(cursor_of(datetime, str))]
MISSING = responses(HTTPStatus.NOT_FOUND)


@router.post(
    "/checks", status_code=HTTPStatus.CREATED, response_model=CheckReceipt, responses=responses(HTTPStatus.CONFLICT)
)
async def record(write: Checker, check: CheckIn) -> Response:
    """Records a check. 409 without an approved specification, or with a gauge out of calibration. What it signals
    opens a nonconformance and a hold in the same transaction, or joins the undecided ones of the same output."""
    return await write.run(lambda session: service.record(session, write.actor, check), status=HTTPStatus.CREATED)


@router.get("/checks", response_model=Page[CheckOut], responses={**MISSING, HTTPStatus.OK: {"content": CONTENT}})
async def checks(
    request: Request,
    _reader: Reader,
    after: Cursor,
    as_csv: AsCsv,
    characteristic: Annotated[CharacteristicId | None, Query()] = None,
    line: Annotated[LineId | None, Query()] = None,
    lot: Annotated[MaterialId | None, Query()] = None,
    conforming: Annotated[bool | None, Query()] = None,
    affected_by: Annotated[
        GaugeId | None,
        Query(description="a gauge: what relied on its last good calibration before it was found out of tolerance"),
    ] = None,
    start: From = None,
    end: To = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[CheckOut] | Response:
    """Checks in the order of their recording, a page at a time; as CSV, the next page is in the header `Link`."""
    database: Database = request.app.state.database
    wanted = CheckFilter(characteristic=characteristic, line=line, lot=lot, conforming=conforming, start=start, end=end)
    page = await database.read(lambda session: service.page(session, wanted, affected_by, after, limit))
    if not as_csv:
        return page
    following = request.url.include_query_params(cursor=page.next) if page.next is not None else None
    return table("checks", list(CheckOut.model_fields), page.items, following)


@router.get("/checks/{check}", responses=MISSING)
async def check(request: Request, _reader: Reader, check: Annotated[RecordId, Path()]) -> CheckDetail:
    """A check and its signals."""
    database: Database = request.app.state.database
    return await database.read(lambda session: service.read(session, check))


@router.post(
    "/charts", status_code=HTTPStatus.CREATED, response_model=ChartOut, responses=responses(HTTPStatus.CONFLICT)
)
async def define(write: Definer, chart: ChartIn) -> Response:
    """Defines the control chart of a characteristic on a line. It signals once it has limits."""
    return await write.run(lambda session: charting.define(session, write.actor, chart), status=HTTPStatus.CREATED)


@router.get("/charts")
async def charts(
    request: Request,
    _reader: Reader,
    after: Cursor,
    line: Annotated[LineId | None, Query()] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[ChartOut]:
    """Control charts by their ids, a page at a time."""
    database: Database = request.app.state.database
    return await database.read(lambda session: charting.page(session, line, after, limit))


@router.get("/charts/{chart}", response_model=ChartData, responses={**MISSING, HTTPStatus.OK: {"content": CONTENT}})
async def chart(
    request: Request,
    _reader: Reader,
    before: Before,
    as_csv: AsCsv,
    chart: Chart,
    start: From = None,
    end: To = None,
    limit: Limit = DEFAULT_LIMIT,
) -> ChartData | Response:
    """Points of a time with limits and signals, for drawing: the last ones, then older ones, a page at a time; as CSV,
    the points, and the next page is in the header `Link`."""
    database: Database = request.app.state.database
    answer = await database.read(lambda session: charting.data(session, chart, start, end, before, limit))
    if not as_csv:
        return answer
    following = request.url.include_query_params(cursor=answer.next) if answer.next is not None else None
    return table("points", columns_of(PlottedPoint), answer.points, following)


@router.post("/charts/{chart}/limits", status_code=HTTPStatus.CREATED, response_model=LimitsOut, responses=MISSING)
async def freeze(write: Freezer, chart: Chart, limits: LimitsIn) -> Response:
    """Decides on limits: computed from a named baseline, or given. They are frozen; another decision is another
    version."""
    return await write.run(
        lambda session: charting.freeze(session, write.actor, chart, limits), status=HTTPStatus.CREATED
    )


@router.get("/charts/{chart}/capability", responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
async def capability(
    request: Request, _reader: Reader, chart: Chart, start: From = None, end: To = None
) -> CapabilityOut:
    """Cp, Cpk, Pp and Ppk of a time. 409 names what is missing; nothing is guessed."""
    database: Database = request.app.state.database
    return await database.read(lambda session: charting.capability_of(session, chart, start, end))


@router.get("/rules")
async def rules(_reader: Reader) -> Rules:
    """The rules of each rule set, with their sources."""
    return charting.rules()
