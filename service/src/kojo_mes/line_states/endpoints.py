"""/api/v1/lines/{line}/states and what belongs to them."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.pages import DEFAULT_LIMIT, Cursor, Limit, Page, cursor_of
from kojo_mes.kit.periods import Period
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Permission, permitted
from kojo_mes.kit.table_routes import TableRoute
from kojo_mes.kit.tables import CONTENT, AsCsv, table
from kojo_mes.kit.writes import Write, writing
from kojo_mes.line_states import service
from kojo_mes.line_states.schemas import (
    MicroStops,
    ReasonIn,
    ReasonOut,
    ReclassificationEntry,
    ReclassificationIn,
    ReclassificationOut,
    StateIn,
    StateOut,
    SupersededOut,
)
from kojo_mes.lines.plant import Id

router = APIRouter(
    route_class=TableRoute,
    prefix="/api/v1",
    tags=["line-states"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
READ = [Depends(permitted(Permission.LINE_STATES_READ))]
CONFLICTS = responses(HTTPStatus.CONFLICT)
After = Annotated[tuple[datetime, str] | None, Depends(cursor_of(datetime, str))]
COLUMNS = (
    "id",
    "line_id",
    "state",
    "reason",
    "product_id",
    "started_at",
    "ended_at",
    "source",
    "recorded_by",
    "recorded_at",
)


@router.post("/lines/{line}/states", response_model=StateOut, status_code=HTTPStatus.CREATED, responses=CONFLICTS)
async def record_state(
    write: Annotated[Write, Depends(writing(Permission.LINE_STATES_RECORD))], line: Id, body: StateIn
) -> Response:
    """The line's state from `time` on; 409 when the present one began later."""

    async def work(session: WriteSession) -> StateOut:
        return await service.record(session, write.actor, line, body)

    return await write.run(work, status=HTTPStatus.CREATED)


@router.get(
    "/lines/{line}/states",
    dependencies=READ,
    response_model=Page[StateOut],
    responses={200: {"content": CONTENT}},
)
async def states(
    request: Request, as_csv: AsCsv, line: Id, period: Period, cursor: After, limit: Limit = DEFAULT_LIMIT
) -> Page[StateOut] | Response:
    """The states that touch the time, whole, in order, as they are classified now."""

    async def work(session: ReadSession) -> Page[StateOut]:
        return await service.states(session, line, period.start, period.end, cursor, limit)

    answer: Page[StateOut] = await request.app.state.database.read(work)
    return table("states", COLUMNS, answer.items) if as_csv else answer


@router.get("/lines/{line}/states/superseded", dependencies=READ)
async def superseded(
    request: Request, line: Id, period: Period, cursor: After, limit: Limit = DEFAULT_LIMIT
) -> Page[SupersededOut]:
    """What the time line said before reclassifications."""

    async def work(session: ReadSession) -> Page[SupersededOut]:
        return await service.superseded(session, line, period.start, period.end, cursor, limit)

    answer: Page[SupersededOut] = await request.app.state.database.read(work)
    return answer


@router.post(
    "/lines/{line}/states/reclassifications",
    response_model=ReclassificationOut,
    status_code=HTTPStatus.CREATED,
    responses=CONFLICTS,
)
async def reclassify(
    write: Annotated[Write, Depends(writing(Permission.LINE_STATES_RECLASSIFY))], line: Id, body: ReclassificationIn
) -> Response:
    """A time that is over in another state, and why. What it was is kept; stored figures of it are made anew."""

    async def work(session: WriteSession) -> ReclassificationOut:
        return await service.reclassify(session, write.actor, line, body)

    return await write.run(work, status=HTTPStatus.CREATED)


@router.get("/lines/{line}/states/reclassifications", dependencies=READ)
async def reclassifications(
    request: Request, line: Id, cursor: Cursor, limit: Limit = DEFAULT_LIMIT
) -> Page[ReclassificationEntry]:
    """In the order in which they were made."""

    async def work(session: ReadSession) -> Page[ReclassificationEntry]:
        return await service.reclassifications(session, line, cursor, limit)

    answer: Page[ReclassificationEntry] = await request.app.state.database.read(work)
    return answer


@router.get("/lines/{line}/micro-stops", dependencies=READ)
async def micro_stops(request: Request, line: Id, period: Period) -> MicroStops:
    """Unplanned stops shorter than the line's limit. OEE counts them as a loss of speed, not of availability."""

    async def work(session: ReadSession) -> MicroStops:
        return await service.micro_stops(session, line, period.start, period.end)

    answer: MicroStops = await request.app.state.database.read(work)
    return answer


@router.get("/state-reasons", dependencies=READ)
async def reasons(
    request: Request,
    cursor: Annotated[tuple[str, str] | None, Depends(cursor_of(str, str))],
    limit: Limit = DEFAULT_LIMIT,
) -> Page[ReasonOut]:
    """Of stops and changeovers."""

    async def work(session: ReadSession) -> Page[ReasonOut]:
        return await service.reasons(session, cursor, limit)

    answer: Page[ReasonOut] = await request.app.state.database.read(work)
    return answer


@router.post("/state-reasons", response_model=ReasonOut, status_code=HTTPStatus.CREATED, responses=CONFLICTS)
async def add_reason(
    write: Annotated[Write, Depends(writing(Permission.LINE_STATES_DEFINE))], body: ReasonIn
) -> Response:
    """A further reason; none is ever taken away, as records name it."""

    async def work(session: WriteSession) -> ReasonOut:
        return await service.add_reason(session, write.actor, body)

    return await write.run(work, status=HTTPStatus.CREATED)
