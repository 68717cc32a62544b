"""/api/v1/orders."""

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
from kojo_mes.orders import service
from kojo_mes.orders.schemas import DispatchIn, ExecutionIn, LineId, OrderBalance, OrderContent, OrderIn, OrderOut
from kojo_mes.orders.states import OrderState

router = APIRouter(
    route_class=TableRoute,
    prefix="/api/v1/orders",
    tags=["orders"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
)
Reader = Annotated[Actor, Depends(permitted(Permission.ORDERS_READ))]
Planner = Annotated[Write, Depends(writing(Permission.ORDERS_PLAN))]
Executor = Annotated[Write, Depends(writing(Permission.ORDERS_EXECUTE))]
OrderId = Annotated[MaterialId, Path(examples=["WO-2026-0117"])]
MISSING = responses(HTTPStatus.NOT_FOUND)
CHANGE = responses(
    HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED
)


@router.post("", status_code=HTTPStatus.CREATED, response_model=OrderOut, responses=responses(HTTPStatus.CONFLICT))
async def plan(write: Planner, order: OrderIn) -> Response:
    """Plans an order under a number of the plant's own. 409 when the number was ever used."""
    return await write.run(lambda session: service.plan(session, write.actor, order), status=HTTPStatus.CREATED)


@router.get("")
async def orders(
    request: Request,
    _reader: Reader,
    after: Cursor,
    state: Annotated[OrderState | None, Query()] = None,
    line: Annotated[LineId | None, Query()] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[OrderOut]:
    """Work orders by their numbers, a page at a time."""
    database: Database = request.app.state.database
    return await database.read(lambda session: service.page(session, state, line, after, limit))


@router.get("/{order}", responses=MISSING)
async def order(request: Request, response: Response, _reader: Reader, order: OrderId) -> OrderOut:
    """One work order; its ETag is what a change of it needs."""
    database: Database = request.app.state.database
    answer = await database.read(lambda session: service.read(session, order))
    etag(response, answer.version)
    return answer


@router.put("/{order}", response_model=OrderOut, responses=CHANGE)
async def replan(write: Planner, order: OrderId, version: IfMatch, content: OrderContent) -> Response:
    """Changes an order that is still planned."""
    return await write.run(lambda session: service.replan(session, write.actor, order, version, content))


@router.post("/{order}/dispatch", response_model=OrderOut, responses=CHANGE)
async def dispatch(write: Planner, order: OrderId, version: IfMatch, wanted: DispatchIn) -> Response:
    """Releases an order to its line, cancels one that never ran, or closes a completed one. 409 names what is possible,
    or the lots that are still open."""

    async def work(session: WriteSession) -> OrderOut:
        return await service.move(session, write.actor, order, version, OrderState(wanted.to), wanted.reason)

    return await write.run(work)


@router.post("/{order}/execution", response_model=OrderOut, responses=CHANGE)
async def execute(write: Executor, order: OrderId, version: IfMatch, wanted: ExecutionIn) -> Response:
    """Starts, pauses, resumes or completes an order. 409 at completion when it made more mass than it consumed."""

    async def work(session: WriteSession) -> OrderOut:
        return await service.move(session, write.actor, order, version, OrderState(wanted.to), wanted.reason)

    return await write.run(work)


@router.get("/{order}/balance", responses=MISSING)
async def balance(request: Request, _reader: Reader, order: OrderId) -> OrderBalance:
    """What the order consumed, produced and scrapped so far."""
    database: Database = request.app.state.database
    return await database.read(lambda session: service.balance_of(session, order))
