"""/api/v1/corrective-actions."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from kojo_mes.capa import service
from kojo_mes.capa.schemas import ActionClosureIn, ActionDetail, ActionIn, ActionOut, ImplementationIn, VerificationIn
from kojo_mes.capa.states import ActionState
from kojo_mes.kit.database import Database
from kojo_mes.kit.pages import DEFAULT_LIMIT, Cursor, Limit, Page
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Actor, Permission, permitted
from kojo_mes.kit.table_routes import TableRoute
from kojo_mes.kit.versions import IfMatch, etag
from kojo_mes.kit.writes import Write, writing
from kojo_mes.nonconformance.schemas import RecordId

router = APIRouter(
    route_class=TableRoute,
    prefix="/api/v1/corrective-actions",
    tags=["corrective-actions"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
)
Reader = Annotated[Actor, Depends(permitted(Permission.QUALITY_READ))]
Keeper = Annotated[Write, Depends(writing(Permission.CAPA_KEEP))]
Implementer = Annotated[Write, Depends(writing(Permission.CAPA_IMPLEMENT))]
Verifier = Annotated[Write, Depends(writing(Permission.CAPA_VERIFY))]
Id = Annotated[RecordId, Path()]
MISSING = responses(HTTPStatus.NOT_FOUND)
CHANGE = responses(
    HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED
)


@router.post("", status_code=HTTPStatus.CREATED, response_model=ActionOut)
async def open_action(write: Keeper, action: ActionIn) -> Response:
    """Opens an action on the causes of nonconformances, with the criterion of its effectiveness."""
    return await write.run(lambda session: service.open_action(session, write.actor, action), status=HTTPStatus.CREATED)


@router.get("")
async def actions(
    request: Request,
    _reader: Reader,
    after: Cursor,
    state: Annotated[ActionState | None, Query()] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[ActionOut]:
    """Actions by the time of their opening, a page at a time."""
    database: Database = request.app.state.database
    return await database.read(lambda session: service.page(session, state, after, limit))


@router.get("/{action}", responses=MISSING)
async def action(request: Request, response: Response, _reader: Reader, action: Id) -> ActionDetail:
    """An action with its nonconformances and verifications."""
    database: Database = request.app.state.database
    answer = await database.read(lambda session: service.read(session, action))
    etag(response, answer.version)
    return answer


@router.post("/{action}/implementation", response_model=ActionOut, responses=CHANGE)
async def implement(write: Implementer, action: Id, version: IfMatch, body: ImplementationIn) -> Response:
    """Tells that, and how, it was implemented."""
    return await write.run(lambda session: service.implement(session, write.actor, action, version, body))


@router.post("/{action}/verification", response_model=ActionOut, responses=CHANGE)
async def verify(write: Verifier, action: Id, version: IfMatch, body: VerificationIn) -> Response:
    """Verifies its effectiveness. 403 for who implemented it. Not effective: it is open again."""
    return await write.run(lambda session: service.verify(session, write.actor, action, version, body))


@router.post("/{action}/closure", response_model=ActionOut, responses=CHANGE)
async def close(write: Keeper, action: Id, version: IfMatch, body: ActionClosureIn) -> Response:
    """Closes it. 409 before its effectiveness was verified."""
    return await write.run(lambda session: service.close(session, write.actor, action, version, body))
