"""/api/v1/traceability: registering lots, moving material, releasing."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from kojo_mes.kit.database import Database, WriteSession
from kojo_mes.kit.fields import MaterialId, Words
from kojo_mes.kit.pages import DEFAULT_LIMIT, Cursor, Limit, Page
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Actor, Permission, permitted
from kojo_mes.kit.table_routes import TableRoute
from kojo_mes.kit.versions import IfMatch, etag
from kojo_mes.kit.writes import Write, writing
from kojo_mes.signatures.schemas import Signature
from kojo_mes.traceability import booking, release, service
from kojo_mes.traceability.schemas import (
    Booked,
    Booking,
    ConsumptionIn,
    EndIn,
    LotBalance,
    LotIn,
    LotOut,
    MovementOut,
    ReleaseIn,
    ReviewIn,
    ScrapIn,
    ShipmentIn,
)
from kojo_mes.traceability.states import LotState, MovementKind

router = APIRouter(
    route_class=TableRoute,
    prefix="/api/v1/traceability/lots",
    tags=["traceability"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
)
Reader = Annotated[Actor, Depends(permitted(Permission.TRACEABILITY_READ))]
Booker = Annotated[Write, Depends(writing(Permission.TRACEABILITY_BOOK))]
Shipper = Annotated[Write, Depends(writing(Permission.TRACEABILITY_SHIP))]
Reviewer = Annotated[Write, Depends(writing(Permission.TRACEABILITY_REVIEW))]
Releaser = Annotated[Write, Depends(writing(Permission.TRACEABILITY_RELEASE))]
LotId = Annotated[MaterialId, Path(examples=["L-260105-07"])]
MISSING = responses(HTTPStatus.NOT_FOUND)
BOOKING = responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
CHANGE = responses(
    HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED
)
CREATED = HTTPStatus.CREATED


@router.post("", status_code=CREATED, response_model=LotOut, responses=responses(HTTPStatus.CONFLICT))
async def register(write: Booker, lot: LotIn) -> Response:
    """Registers a number for a lot or serial. 409 when it was ever used, or the order isn't released or running."""
    return await write.run(lambda session: service.register(session, write.actor, lot), status=CREATED)


@router.get("")
async def lots(
    request: Request,
    _reader: Reader,
    after: Cursor,
    state: Annotated[LotState | None, Query()] = None,
    product: Annotated[Words | None, Query()] = None,
    order: Annotated[MaterialId | None, Query()] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[LotOut]:
    """Lots and serials by their numbers, a page at a time."""
    database: Database = request.app.state.database
    return await database.read(lambda session: service.page(session, state, product, order, after, limit))


@router.get("/{lot}", responses=MISSING)
async def lot(request: Request, response: Response, _reader: Reader, lot: LotId) -> LotOut:
    """A lot or serial as it is; its ETag is what a signature on it needs."""
    database: Database = request.app.state.database
    answer = await database.read(lambda session: service.read(session, lot))
    etag(response, answer.version)
    return answer


@router.get("/{lot}/movements", responses=MISSING)
async def movements(
    request: Request, _reader: Reader, lot: LotId, after: Cursor, limit: Limit = DEFAULT_LIMIT
) -> Page[MovementOut]:
    """What was done with the lot's material, and what went into it, in the order of booking."""
    database: Database = request.app.state.database
    return await database.read(lambda session: service.movements(session, lot, after, limit))


@router.get("/{lot}/balance", responses=MISSING)
async def balance(request: Request, _reader: Reader, lot: LotId) -> LotBalance:
    """The lot's mass balance, added up from its movements."""
    database: Database = request.app.state.database
    return await database.read(lambda session: service.balance(session, lot))


@router.post("/{lot}/receipts", status_code=CREATED, response_model=Booked, responses=BOOKING)
async def receive(write: Booker, lot: LotId, booked: Booking) -> Response:
    """Takes material in from the lot's supplier."""

    async def work(session: WriteSession) -> Booked:
        return await booking.book(session, write.actor, lot, MovementKind.RECEIVED, booked)

    return await write.run(work, status=CREATED)


@router.post("/{lot}/production", status_code=CREATED, response_model=Booked, responses=BOOKING)
async def produce(write: Booker, lot: LotId, booked: Booking) -> Response:
    """Adds what the lot's order made; the order is to be running."""

    async def work(session: WriteSession) -> Booked:
        return await booking.book(session, write.actor, lot, MovementKind.PRODUCED, booked)

    return await write.run(work, status=CREATED)


@router.post("/{lot}/consumption", status_code=CREATED, response_model=Booked, responses=BOOKING)
async def consume(write: Booker, lot: LotId, booked: ConsumptionIn) -> Response:
    """Uses released lots up in making this one. 409 when one is held, not released, or has less than that."""

    async def work(session: WriteSession) -> Booked:
        return await booking.consume(session, write.actor, lot, booked)

    return await write.run(work, status=CREATED)


@router.post("/{lot}/shipments", status_code=CREATED, response_model=Booked, responses=BOOKING)
async def ship(write: Shipper, lot: LotId, booked: ShipmentIn) -> Response:
    """Sends some of a released lot away. 409 when it is held, not released, or has less than that."""

    async def work(session: WriteSession) -> Booked:
        details = booked.model_dump(include={"consignee", "delivery"})
        return await booking.book(session, write.actor, lot, MovementKind.SHIPPED, booked, details)

    return await write.run(work, status=CREATED)


@router.post("/{lot}/scrap", status_code=CREATED, response_model=Booked, responses=BOOKING)
async def scrap(write: Booker, lot: LotId, booked: ScrapIn) -> Response:
    """Throws some of a lot away. A released lot ends with its last; one that is still being made goes on."""

    async def work(session: WriteSession) -> Booked:
        details = {"reason": booked.reason}
        return await booking.book(session, write.actor, lot, MovementKind.SCRAPPED, booked, details)

    return await write.run(work, status=CREATED)


@router.post("/{lot}/end", status_code=CREATED, response_model=Booked, responses=BOOKING)
async def end(write: Booker, lot: LotId, booked: EndIn) -> Response:
    """Throws all of a lot away that there is, and ends it: it becomes scrapped."""
    return await write.run(lambda session: booking.end(session, write.actor, lot, booked), status=CREATED)


@router.post("/{lot}/audit-review", status_code=CREATED, response_model=Signature, responses=CHANGE)
async def review(write: Reviewer, lot: LotId, version: IfMatch, wanted: ReviewIn) -> Response:
    """Signs that the lot's audit trail was reviewed with its record. Void as soon as the lot changes."""

    async def work(session: WriteSession) -> Signature:
        return await release.review(session, write.actor, lot, version, wanted.signature)

    return await write.run(work, status=CREATED)


@router.post("/{lot}/release", response_model=LotOut, responses=CHANGE)
async def release_lot(write: Releaser, lot: LotId, version: IfMatch, wanted: ReleaseIn) -> Response:
    """Signs the lot's release. 409 names all that is missing: the audit review by somebody else, the closure of
    nonconformances, the end of holds, the signature."""
    return await write.run(lambda session: release.release(session, write.actor, lot, version, wanted))
