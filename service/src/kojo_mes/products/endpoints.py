"""/api/v1/products, and the ideal cycle times of lines."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.fields import MaterialId
from kojo_mes.kit.pages import DEFAULT_LIMIT, Cursor, Limit, Page, cursor_of
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Permission, permitted
from kojo_mes.kit.table_routes import TableRoute
from kojo_mes.kit.versions import IfMatch
from kojo_mes.kit.writes import Write, writing
from kojo_mes.lines.plant import Id
from kojo_mes.products import service
from kojo_mes.products.schemas import (
    IdealCycleTimeIn,
    IdealCycleTimeOut,
    ProductIn,
    ProductName,
    ProductOut,
)

router = APIRouter(
    route_class=TableRoute,
    prefix="/api/v1",
    tags=["products"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
Planning = Annotated[Write, Depends(writing(Permission.PRODUCTS_DEFINE))]
READ = [Depends(permitted(Permission.PRODUCTS_READ))]


@router.get("/products", dependencies=READ)
async def products(request: Request, cursor: Cursor, limit: Limit = DEFAULT_LIMIT) -> Page[ProductOut]:
    """In the order of their ids."""

    async def work(session: ReadSession) -> Page[ProductOut]:
        return await service.page(session, cursor, limit)

    answer: Page[ProductOut] = await request.app.state.database.read(work)
    return answer


@router.post(
    "/products",
    response_model=ProductOut,
    status_code=HTTPStatus.CREATED,
    responses=responses(HTTPStatus.CONFLICT),
)
async def add_product(write: Planning, body: ProductIn) -> Response:
    """409 when there is one of this id."""

    async def work(session: WriteSession) -> ProductOut:
        return await service.add(session, write.actor, body)

    return await write.run(work, status=HTTPStatus.CREATED)


@router.put(
    "/products/{product}",
    response_model=ProductOut,
    responses=responses(
        HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED
    ),
)
async def rename_product(write: Planning, product: MaterialId, version: IfMatch, body: ProductName) -> Response:
    """Names it anew, in the version that If-Match says."""

    async def work(session: WriteSession) -> ProductOut:
        return await service.rename(session, write.actor, product, version, body)

    return await write.run(work)


@router.get("/lines/{line}/ideal-cycle-times", dependencies=READ, responses=responses(HTTPStatus.NOT_FOUND))
async def cycle_times(
    request: Request,
    line: Id,
    cursor: Annotated[tuple[str, datetime, str] | None, Depends(cursor_of(str, datetime, str))],
    product: Annotated[MaterialId | None, Query()] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[IdealCycleTimeOut]:
    """All that were and are in force, by product and time."""

    async def work(session: ReadSession) -> Page[IdealCycleTimeOut]:
        return await service.cycle_times(session, line, product, cursor, limit)

    answer: Page[IdealCycleTimeOut] = await request.app.state.database.read(work)
    return answer


@router.post(
    "/lines/{line}/ideal-cycle-times",
    response_model=IdealCycleTimeOut,
    status_code=HTTPStatus.CREATED,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def set_cycle_time(write: Planning, line: Id, body: IdealCycleTimeIn) -> Response:
    """In force from `valid_from` on. Stored figures of the time since are made anew."""

    async def work(session: WriteSession) -> IdealCycleTimeOut:
        return await service.set_cycle_time(session, write.actor, line, body)

    return await write.run(work, status=HTTPStatus.CREATED)
