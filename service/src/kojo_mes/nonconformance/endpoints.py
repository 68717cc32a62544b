"""/api/v1/nonconformances and /api/v1/holds."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from kojo_mes.kit.database import Database, WriteSession
from kojo_mes.kit.fields import MaterialId
from kojo_mes.kit.pages import DEFAULT_LIMIT, Cursor, Limit, Page
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Actor, Permission, permitted
from kojo_mes.kit.table_routes import TableRoute
from kojo_mes.kit.versions import IfMatch, etag
from kojo_mes.kit.writes import Write, writing
from kojo_mes.nonconformance import holds as holding
from kojo_mes.nonconformance import service
from kojo_mes.nonconformance.schemas import (
    DispositionIn,
    HoldIn,
    HoldOut,
    HoldReleaseIn,
    LineId,
    NonconformanceClosureIn,
    NonconformanceDetail,
    NonconformanceOut,
    NonconformanceReviewIn,
    RecordId,
    ReportIn,
)
from kojo_mes.nonconformance.states import NonconformanceState

COMMON = responses(
    HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
)
router = APIRouter(route_class=TableRoute, prefix="/api/v1/nonconformances", tags=["nonconformances"], responses=COMMON)
holds_router = APIRouter(route_class=TableRoute, prefix="/api/v1/holds", tags=["holds"], responses=COMMON)
Reader = Annotated[Actor, Depends(permitted(Permission.QUALITY_READ))]
Reporter = Annotated[Write, Depends(writing(Permission.NONCONFORMANCES_REPORT))]
Reviewer = Annotated[Write, Depends(writing(Permission.NONCONFORMANCES_REVIEW))]
Decider = Annotated[Write, Depends(writing(Permission.NONCONFORMANCES_DISPOSE))]
Closer = Annotated[Write, Depends(writing(Permission.NONCONFORMANCES_CLOSE))]
Holder = Annotated[Write, Depends(writing(Permission.HOLDS_PLACE))]
Releaser = Annotated[Write, Depends(writing(Permission.HOLDS_RELEASE))]
Id = Annotated[RecordId, Path()]
LineFilter = Annotated[LineId | None, Query()]
LotFilter = Annotated[MaterialId | None, Query()]
MISSING = responses(HTTPStatus.NOT_FOUND)
CHANGE = responses(
    HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED
)


@router.post("", status_code=HTTPStatus.CREATED, response_model=NonconformanceOut)
async def report(write: Reporter, nonconformance: ReportIn) -> Response:
    """Reports a nonconformance and holds what it is about, in one."""
    return await write.run(
        lambda session: service.report(session, write.actor, nonconformance), status=HTTPStatus.CREATED
    )


@router.get("")
async def nonconformances(
    request: Request,
    _reader: Reader,
    after: Cursor,
    state: Annotated[NonconformanceState | None, Query()] = None,
    line: LineFilter = None,
    lot: LotFilter = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[NonconformanceOut]:
    """Nonconformances by the time of their opening, a page at a time."""
    database: Database = request.app.state.database
    return await database.read(lambda session: service.page(session, state, line, lot, after, limit))


@router.get("/{nonconformance}", responses=MISSING)
async def nonconformance(
    request: Request, response: Response, _reader: Reader, nonconformance: Id
) -> NonconformanceDetail:
    """A nonconformance with its signals, holds, dispositions and signatures."""
    database: Database = request.app.state.database
    answer = await database.read(lambda session: service.read(session, nonconformance))
    etag(response, answer.version)
    return answer


@router.post("/{nonconformance}/review", response_model=NonconformanceOut, responses=CHANGE)
async def review(write: Reviewer, nonconformance: Id, version: IfMatch, body: NonconformanceReviewIn) -> Response:
    """Begins the review; or begins it again, when a disposition doesn't do: what was released is held again."""
    return await write.run(lambda session: service.review(session, write.actor, nonconformance, version, body.reason))


@router.post("/{nonconformance}/disposition", response_model=NonconformanceOut, responses=CHANGE)
async def dispose(write: Decider, nonconformance: Id, version: IfMatch, disposition: DispositionIn) -> Response:
    """Decides what becomes of it, by a signature. 403 for a role that may not decide so."""

    async def work(session: WriteSession) -> NonconformanceOut:
        return await service.dispose(session, write.actor, nonconformance, version, disposition)

    return await write.run(work)


@router.post("/{nonconformance}/closure", response_model=NonconformanceOut, responses=CHANGE)
async def close(write: Closer, nonconformance: Id, version: IfMatch, closure: NonconformanceClosureIn) -> Response:
    """Closes it. 409 while rework is not verified by a check, or its hold is active."""
    return await write.run(lambda session: service.close(session, write.actor, nonconformance, version, closure))


@holds_router.post("", status_code=HTTPStatus.CREATED, response_model=HoldOut)
async def place(write: Holder, hold: HoldIn) -> Response:
    """Holds what a line made of a product, or a lot or serial of it."""
    return await write.run(lambda session: holding.place(session, write.actor, hold), status=HTTPStatus.CREATED)


@holds_router.get("")
async def holds(
    request: Request,
    _reader: Reader,
    after: Cursor,
    active: Annotated[bool | None, Query()] = None,
    line: LineFilter = None,
    lot: LotFilter = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[HoldOut]:
    """Holds by the time of their placing, a page at a time."""
    database: Database = request.app.state.database
    return await database.read(lambda session: holding.page(session, active, line, lot, after, limit))


@holds_router.get("/{hold}", responses=MISSING)
async def hold(request: Request, response: Response, _reader: Reader, hold: Id) -> HoldOut:
    """A hold; its ETag is what its release needs."""
    database: Database = request.app.state.database
    answer = await database.read(lambda session: holding.read(session, hold))
    etag(response, answer.version)
    return answer


@holds_router.post("/{hold}/release", response_model=HoldOut, responses=CHANGE)
async def release(write: Releaser, hold: Id, version: IfMatch, body: HoldReleaseIn) -> Response:
    """Releases a hold. 409 while its nonconformance has no disposition, and for a lot that was scrapped or returned."""
    return await write.run(lambda session: holding.release(session, write.actor, hold, version, body.reason))
