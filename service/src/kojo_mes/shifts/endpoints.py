"""/api/v1/shifts: the calendar."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.pages import DEFAULT_LIMIT, Limit, Page, cursor_of
from kojo_mes.kit.periods import Period
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Permission, permitted
from kojo_mes.kit.tables import CONTENT, AsCsv, table
from kojo_mes.kit.versions import IfMatch, etag
from kojo_mes.kit.writes import Write, writing
from kojo_mes.lines.plant import Id
from kojo_mes.shifts import service
from kojo_mes.shifts.schemas import (
    Cancellation,
    ClosureIn,
    ClosureOut,
    PatternIn,
    PatternOut,
    ShiftIn,
    ShiftOut,
    ShiftTimes,
)

router = APIRouter(
    prefix="/api/v1/shifts",
    tags=["shifts"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
Planning = Annotated[Write, Depends(writing(Permission.SHIFTS_PLAN))]
READ = [Depends(permitted(Permission.SHIFTS_READ))]
CONFLICTS = responses(HTTPStatus.CONFLICT)
VERSIONED = responses(HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED)
COLUMNS = ("id", "line_id", "name", "day", "starts_at", "ends_at", "cancelled", "exception", "version")


@router.get("", dependencies=READ, response_model=Page[ShiftOut], responses={200: {"content": CONTENT}})
async def shifts(
    request: Request,
    as_csv: AsCsv,
    line: Annotated[Id, Query(examples=["line-1"])],
    period: Period,
    cursor: Annotated[tuple[datetime, str] | None, Depends(cursor_of(datetime, str))],
    limit: Limit = DEFAULT_LIMIT,
) -> Page[ShiftOut] | Response:
    """A line's shifts that touch the time, cancelled ones too, in order."""

    async def work(session: ReadSession) -> Page[ShiftOut]:
        return await service.page(session, line, period.start, period.end, cursor, limit)

    answer: Page[ShiftOut] = await request.app.state.database.read(work)
    return table("shifts", COLUMNS, answer.items) if as_csv else answer


@router.post("", response_model=ShiftOut, status_code=HTTPStatus.CREATED, responses=CONFLICTS)
async def add_shift(write: Planning, body: ShiftIn) -> Response:
    """A shift beside the patterns; 409 when it would overlap another of the line."""

    async def work(session: WriteSession) -> ShiftOut:
        return await service.add(session, write.actor, body)

    return await write.run(work, status=HTTPStatus.CREATED)


@router.post("/patterns", response_model=PatternOut, status_code=HTTPStatus.CREATED, responses=CONFLICTS)
async def plan_shifts(write: Planning, body: PatternIn) -> Response:
    """Makes the shifts of a weekly pattern, all or none; 409 when one would overlap another of the line."""

    async def work(session: WriteSession) -> PatternOut:
        return await service.plan(session, write.actor, body)

    return await write.run(work, status=HTTPStatus.CREATED)


@router.post("/closures", response_model=ClosureOut, status_code=HTTPStatus.CREATED, responses=CONFLICTS)
async def close_days(write: Planning, body: ClosureIn) -> Response:
    """Days without shifts, like holidays: what is planned is cancelled, what comes later leaves them out."""

    async def work(session: WriteSession) -> ClosureOut:
        return await service.close(session, write.actor, body)

    return await write.run(work, status=HTTPStatus.CREATED)


@router.get("/{shift:uuid}", dependencies=READ)  # `patterns` and `closures` are no shifts
async def shift(request: Request, response: Response, shift: UUID) -> ShiftOut:
    """One shift, with its ETag."""

    async def work(session: ReadSession) -> ShiftOut:
        return await service.shift(session, str(shift))

    answer: ShiftOut = await request.app.state.database.read(work)
    etag(response, answer.version)
    return answer


@router.put("/{shift}/times", response_model=ShiftOut, responses=VERSIONED)
async def move_shift(write: Planning, shift: UUID, version: IfMatch, body: ShiftTimes) -> Response:
    """Other times than its pattern's, and why."""

    async def work(session: WriteSession) -> ShiftOut:
        return await service.move(session, write.actor, str(shift), version, body)

    return await write.run(work)


@router.post("/{shift}/cancellation", response_model=ShiftOut, responses=VERSIONED)
async def cancel_shift(write: Planning, shift: UUID, version: IfMatch, body: Cancellation) -> Response:
    """Takes it out of the calendar, and says why; the row stays."""

    async def work(session: WriteSession) -> ShiftOut:
        return await service.cancel(session, write.actor, str(shift), version, body)

    return await write.run(work)
