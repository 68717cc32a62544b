"""/api/v1/changes."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from kojo_mes.changes import copies, service
from kojo_mes.changes.paper import pdf
from kojo_mes.changes.record import TYPE
from kojo_mes.changes.schemas import (
    Approve,
    Authorisation,
    BreakGlassIn,
    Change,
    ChangeContent,
    ChangeState,
    Close,
    ControlledCopy,
    Digest,
    Plant,
    Reject,
    ReviewIn,
    Use,
    Withdraw,
)
from kojo_mes.kit.database import Database, WriteSession
from kojo_mes.kit.pages import DEFAULT_LIMIT, Cursor, Limit, Page
from kojo_mes.kit.paper import MEDIA_TYPE, FontMissing
from kojo_mes.kit.problems import Problem, responses
from kojo_mes.kit.security import Actor, Permission, permitted
from kojo_mes.kit.tables import CONTENT, AsCsv, table
from kojo_mes.kit.versions import IfMatch, etag
from kojo_mes.kit.writes import Write, writing

router = APIRouter(
    prefix="/api/v1/changes",
    tags=["changes"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
)
ONE = responses(HTTPStatus.NOT_FOUND)
STEP = responses(
    HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED
)

ChangeId = Annotated[
    str,
    Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", examples=["0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d11"]),
]
Requesting = Annotated[Write, Depends(writing(Permission.CHANGES_REQUEST))]
Deciding = Annotated[Write, Depends(writing(Permission.CHANGES_DECIDE))]
BreakingGlass = Annotated[Write, Depends(writing(Permission.CHANGES_BREAK_GLASS))]
Reviewing = Annotated[Write, Depends(writing(Permission.CHANGES_REVIEW))]
Using = Annotated[Write, Depends(writing(Permission.CHANGES_USE))]
Reader = Annotated[Actor, Depends(permitted(Permission.CHANGES_READ))]


@router.post("", response_model=Change, status_code=HTTPStatus.CREATED, responses=responses(HTTPStatus.CONFLICT))
async def create(write: Requesting, content: ChangeContent) -> Response:
    """A draft. Its requester revises, submits or withdraws it, and doesn't decide on it."""

    async def work(session: WriteSession) -> Change:
        return await service.create(session, write.actor, content)

    return await write.run(work, status=HTTPStatus.CREATED)


@router.get("", response_model=Page[Change], responses={200: {"content": CONTENT}})
async def changes(
    request: Request,
    _reader: Reader,
    as_csv: AsCsv,
    cursor: Cursor,
    limit: Limit = DEFAULT_LIMIT,
    state: ChangeState | None = None,
    plant: Annotated[Plant | None, Query()] = None,
) -> Page[Change] | Response:
    """In the order of their making. As a table, with the signatures on the present revision."""
    database: Database = request.app.state.database
    if as_csv:
        lines = await database.read(lambda session: copies.lines(session, state, plant, cursor, limit))
        return table("changes", copies.COLUMNS, lines)
    return await database.read(lambda session: service.page(session, state, plant, cursor, limit))


@router.get("/{change_id}", responses=ONE)
async def change(request: Request, response: Response, _reader: Reader, change_id: ChangeId) -> Change:
    """One change request, with the ETag that a step of it needs."""
    database: Database = request.app.state.database
    found = await database.read(lambda session: service.one(session, change_id))
    etag(response, found.version)
    return found


@router.put("/{change_id}", response_model=Change, responses=STEP)
async def revise(write: Requesting, version: IfMatch, change_id: ChangeId, content: ChangeContent) -> Response:
    """A new revision of the content, a draft again. Approvals of the revision before don't count for it."""

    async def work(session: WriteSession) -> Change:
        return await service.revise(session, write.actor, change_id, version, content)

    return await write.run(work)


@router.post("/{change_id}/submit", response_model=Change, responses=STEP)
async def submit(write: Requesting, version: IfMatch, change_id: ChangeId) -> Response:
    """Asks for the two approvals."""

    async def work(session: WriteSession) -> Change:
        return await service.submit(session, write.actor, change_id, version)

    return await write.run(work)


@router.post("/{change_id}/withdraw", response_model=Change, responses=STEP)
async def withdraw(write: Requesting, version: IfMatch, change_id: ChangeId, body: Withdraw) -> Response:
    """By its requester, until it is used."""

    async def work(session: WriteSession) -> Change:
        return await service.withdraw(session, write.actor, change_id, version, body)

    return await write.run(work)


@router.post("/{change_id}/approve", response_model=Change, responses=STEP)
async def approve(write: Deciding, version: IfMatch, change_id: ChangeId, body: Approve) -> Response:
    """One of two approvals, signed: by two people in two roles of manufacturing_lead, devops_lead, quality_manager."""

    async def work(session: WriteSession) -> Change:
        return await service.approve(session, write.actor, change_id, version, body)

    return await write.run(work)


@router.post("/{change_id}/reject", response_model=Change, responses=STEP)
async def reject(write: Deciding, version: IfMatch, change_id: ChangeId, body: Reject) -> Response:
    """Ends the request, signed and with a reason."""

    async def work(session: WriteSession) -> Change:
        return await service.reject(session, write.actor, change_id, version, body)

    return await write.run(work)


@router.post("/{change_id}/break-glass", response_model=Change, responses=STEP)
async def break_glass(write: BreakingGlass, version: IfMatch, change_id: ChangeId, body: BreakGlassIn) -> Response:
    """Authorises one use at once, for some hours, on one person's signature. It alerts, and demands a review."""

    async def work(session: WriteSession) -> Change:
        return await service.break_glass(session, write.actor, change_id, version, body)

    return await write.run(work)


@router.post("/{change_id}/review", response_model=Change, responses=STEP)
async def review(write: Reviewing, version: IfMatch, change_id: ChangeId, body: ReviewIn) -> Response:
    """Of a break-glass, signed by somebody who neither broke it nor asked for the change."""

    async def work(session: WriteSession) -> Change:
        return await service.review(session, write.actor, change_id, version, body)

    return await write.run(work)


@router.post("/{change_id}/close", response_model=Change, responses=STEP)
async def close(write: Requesting, version: IfMatch, change_id: ChangeId, body: Close) -> Response:
    """After its use, and after the review of its break-glass if there was one."""

    async def work(session: WriteSession) -> Change:
        return await service.close(session, write.actor, change_id, version, body)

    return await write.run(work)


@router.get(
    "/{change_id}/authorisation",
    responses=ONE,
    dependencies=[Depends(permitted(Permission.CHANGES_AUTHORISATION))],
)
async def authorisation(
    request: Request, response: Response, change_id: ChangeId, digest: Digest, plant: Plant
) -> Authorisation:
    """Does this change authorise bringing exactly this artefact to this plant, now? Asked by the change gate."""
    database: Database = request.app.state.database
    answer = await database.read(lambda session: service.authorisation(session, change_id, digest, plant))
    etag(response, answer.version)
    return answer


@router.post("/{change_id}/use", response_model=Change, responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
async def use(write: Using, change_id: ChangeId, body: Use) -> Response:
    """Uses the change up, once. Whoever is cut off repeats it under the same Idempotency-Key."""

    async def work(session: WriteSession) -> Change:
        return await service.use(session, write.actor, change_id, body)

    return await write.run(work)


@router.get("/{change_id}/copy", response_model=ControlledCopy, responses=ONE | {200: {"content": copies.CONTENT}})
async def copy(
    request: Request, reader: Reader, change_id: ChangeId, wanted: copies.Wanted = copies.Form.JSON
) -> ControlledCopy | Response:
    """An accurate and complete copy with document control and signatures, for machines or for people (11.10(b)).

    On paper (`pdf`) in English and Japanese; 503 when the service has no font to write it with."""
    database: Database = request.app.state.database
    found = await database.read(lambda session: copies.controlled(session, reader, change_id))
    if wanted is copies.Form.TEXT:
        return Response(copies.readable(found), media_type=copies.TEXT)
    if wanted is copies.Form.PDF:
        try:
            content = await asyncio.to_thread(pdf, found, request.app.state.settings.pdf_font)
        except FontMissing as error:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "no-font", "This service can't write on paper") from error
        name = f"{TYPE}-{change_id}.pdf"
        return Response(
            content, media_type=MEDIA_TYPE, headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )
    return found
