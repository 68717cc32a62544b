"""/api/v1/characteristics."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from kojo_mes.characteristics import service
from kojo_mes.characteristics.schemas import (
    ApprovalIn,
    CharacteristicDetail,
    CharacteristicId,
    CharacteristicIn,
    CharacteristicOut,
    ProductId,
    SpecificationIn,
    SpecificationOut,
)
from kojo_mes.kit.database import Database, WriteSession
from kojo_mes.kit.pages import DEFAULT_LIMIT, Cursor, Limit, Page, cursor_of
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Actor, Permission, permitted
from kojo_mes.kit.table_routes import TableRoute
from kojo_mes.kit.versions import IfMatch, etag
from kojo_mes.kit.writes import Write, writing

router = APIRouter(
    route_class=TableRoute,
    prefix="/api/v1/characteristics",
    tags=["characteristics"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
)
Reader = Annotated[Actor, Depends(permitted(Permission.QUALITY_READ))]
Definer = Annotated[Write, Depends(writing(Permission.QUALITY_DEFINE))]
Approver = Annotated[Write, Depends(writing(Permission.QUALITY_APPROVE))]
Id = Annotated[CharacteristicId, Path()]
Version = Annotated[int, Path(ge=1, le=1_000_000)]
VersionCursor = Annotated[tuple[int] | None, Depends(cursor_of(int))]
MISSING = responses(HTTPStatus.NOT_FOUND)
CHANGE = responses(
    HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED
)


@router.post(
    "", status_code=HTTPStatus.CREATED, response_model=CharacteristicOut, responses=responses(HTTPStatus.CONFLICT)
)
async def define(write: Definer, characteristic: CharacteristicIn) -> Response:
    """Defines a characteristic of a product. It is checked after a specification was approved."""
    return await write.run(
        lambda session: service.define(session, write.actor, characteristic), status=HTTPStatus.CREATED
    )


@router.get("")
async def characteristics(
    request: Request,
    _reader: Reader,
    after: Cursor,
    product: Annotated[ProductId | None, Query()] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[CharacteristicOut]:
    """Characteristics by their ids, a page at a time."""
    database: Database = request.app.state.database
    return await database.read(lambda session: service.page(session, product, after, limit))


@router.get("/{characteristic}", responses=MISSING)
async def characteristic(
    request: Request, response: Response, _reader: Reader, characteristic: Id
) -> CharacteristicDetail:
    """A characteristic with the specification that is effective now."""
    database: Database = request.app.state.database
    answer = await database.read(lambda session: service.read(session, characteristic))
    etag(response, answer.version)
    return answer


@router.post("/{characteristic}/retirement", response_model=CharacteristicOut, responses=CHANGE)
async def retire(write: Definer, characteristic: Id, version: IfMatch) -> Response:
    """No checks of it any more; those that were made stay."""
    return await write.run(lambda session: service.retire(session, write.actor, characteristic, version))


@router.get("/{characteristic}/specifications", responses=MISSING)
async def specifications(
    request: Request, _reader: Reader, characteristic: Id, after: VersionCursor, limit: Limit = DEFAULT_LIMIT
) -> Page[SpecificationOut]:
    """All versions, drafts too, the oldest first."""
    database: Database = request.app.state.database
    last = after[0] if after else None
    return await database.read(lambda session: service.specifications(session, characteristic, last, limit))


@router.post(
    "/{characteristic}/specifications",
    status_code=HTTPStatus.CREATED,
    response_model=SpecificationOut,
    responses=MISSING,
)
async def draft(write: Definer, characteristic: Id, specification: SpecificationIn) -> Response:
    """Drafts the next version. It is of no use until it is approved, and is not changed any more."""

    async def work(session: WriteSession) -> SpecificationOut:
        return await service.draft(session, write.actor, characteristic, specification)

    return await write.run(work, status=HTTPStatus.CREATED)


@router.post(
    "/{characteristic}/specifications/{version}/approval",
    response_model=SpecificationOut,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def approve(write: Approver, characteristic: Id, version: Version, approval: ApprovalIn) -> Response:
    """Approves a version, by the quality manager's signature. 403 for whoever drafted it."""

    async def work(session: WriteSession) -> SpecificationOut:
        return await service.approve(session, write.actor, characteristic, version, approval.signature)

    return await write.run(work)
