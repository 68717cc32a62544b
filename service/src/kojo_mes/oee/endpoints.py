"""/api/v1/oee."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.fields import MaterialId
from kojo_mes.kit.pages import DEFAULT_LIMIT, Limit, Page, cursor_of
from kojo_mes.kit.periods import Period, checked
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Permission, permitted
from kojo_mes.kit.tables import CONTENT, AsCsv, table
from kojo_mes.kit.writes import Write, writing
from kojo_mes.lines.plant import Id
from kojo_mes.oee import service
from kojo_mes.oee.schemas import OeeOut, RollUpIn, RollUpOut, RollupOut

router = APIRouter(
    prefix="/api/v1/oee",
    tags=["oee"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
READ = [Depends(permitted(Permission.OEE_READ))]
REFUSAL = responses(HTTPStatus.CONFLICT)
Product = Annotated[MaterialId | None, Query(description="none: all products", examples=["housing-100"])]
LineQuery = Annotated[Id, Query(examples=["line-1"])]
COLUMNS = (
    "line",
    "day",
    "name",
    "starts_at",
    "ends_at",
    "product",
    "status",
    "planned_busy_seconds",
    "actual_production_seconds",
    "ideal_production_seconds",
    "good",
    "scrap",
    "rework",
    "availability",
    "effectiveness",
    "quality_ratio",
    "oee",
    "micro_stops",
    "micro_stop_seconds",
    "stale",
    "computed_at",
)


@router.get("", dependencies=READ, responses=REFUSAL)
async def oee(request: Request, line: LineQuery, period: Period, product: Product = None) -> OeeOut:
    """Of a line's shifts in the time, computed now from the raw records; 409 names the inputs that are missing."""

    async def work(session: ReadSession) -> OeeOut:
        return await service.of_period(session, line, period.start, period.end, product)

    answer: OeeOut = await request.app.state.database.read(work)
    return answer


@router.get("/running", dependencies=READ, responses=REFUSAL)
async def oee_of_running_shift(request: Request, line: LineQuery, product: Product = None) -> OeeOut:
    """Of the line's running shift, up to where its production is counted (`to`); 409 names what is missing."""

    async def work(session: ReadSession) -> OeeOut:
        return await service.of_running_shift(session, line, product)

    answer: OeeOut = await request.app.state.database.read(work)
    return answer


@router.get("/shifts/{shift}", dependencies=READ, responses=REFUSAL)
async def oee_of_shift(request: Request, shift: UUID, product: Product = None) -> OeeOut:
    """Of one shift, computed now from the raw records; 409 names the inputs that are missing."""

    async def work(session: ReadSession) -> OeeOut:
        return await service.of_shift(session, str(shift), product)

    answer: OeeOut = await request.app.state.database.read(work)
    return answer


@router.get("/rollups", dependencies=READ, response_model=Page[RollupOut], responses={200: {"content": CONTENT}})
async def rollups(
    request: Request,
    as_csv: AsCsv,
    line: LineQuery,
    period: Period,
    cursor: Annotated[tuple[datetime, str, str] | None, Depends(cursor_of(datetime, str, str))],
    limit: Limit = DEFAULT_LIMIT,
) -> Page[RollupOut] | Response:
    """Stored figures by shift and product, refusals too. They are made an hour after a shift's end."""

    async def work(session: ReadSession) -> Page[RollupOut]:
        return await service.page(session, line, period.start, period.end, cursor, limit)

    answer: Page[RollupOut] = await request.app.state.database.read(work)
    return table("oee", COLUMNS, answer.items) if as_csv else answer


@router.post("/rollups", response_model=RollUpOut)
async def roll_up(write: Annotated[Write, Depends(writing(Permission.OEE_ROLL_UP))], body: RollUpIn) -> Response:
    """Makes a line's stored figures anew from the raw records; `changed` is 0 when they still say the same."""
    period = checked(body.start, body.end, "body")

    async def work(session: WriteSession) -> RollUpOut:
        return await service.roll_up(session, write.actor, body.line, period.start, period.end)

    return await write.run(work)
