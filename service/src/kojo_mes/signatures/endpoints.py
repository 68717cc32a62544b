"""/api/v1/signatures."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from kojo_mes.kit.database import Database
from kojo_mes.kit.pages import DEFAULT_LIMIT, Cursor, Limit, Page
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Permission, permitted
from kojo_mes.kit.table_routes import TableRoute
from kojo_mes.signatures import verifying
from kojo_mes.signatures.schemas import SignedRecords, VerifiedSignature

router = APIRouter(
    route_class=TableRoute,
    prefix="/api/v1/signatures",
    tags=["signatures"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
    dependencies=[Depends(permitted(Permission.SIGNATURES_READ))],
)
SignatureId = Annotated[
    str,
    Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", examples=["0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10"]),
]
Text = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]


@router.get("")
async def signatures(
    request: Request,
    cursor: Cursor,
    limit: Limit = DEFAULT_LIMIT,
    record_type: Text = None,
    record_id: Text = None,
    signer_id: Text = None,
) -> Page[VerifiedSignature]:
    """In the order of time, each verified against its record and the audit trail as they are now."""
    database: Database = request.app.state.database
    return await database.read(
        lambda session: verifying.page(session, record_type, record_id, signer_id, cursor, limit)
    )


@router.get("/{signature_id}", responses=responses(HTTPStatus.NOT_FOUND))
async def signature(request: Request, signature_id: SignatureId) -> VerifiedSignature:
    """Valid; superseded, when its record has a later version; or invalid, with the reason."""
    database: Database = request.app.state.database
    return await database.read(lambda session: verifying.one(session, signature_id))


@router.get("/{signature_id}/records", responses=responses(HTTPStatus.NOT_FOUND))
async def records(request: Request, signature_id: SignatureId) -> SignedRecords:
    """What it was given on: the versions of all records of a list, or the one record that was signed."""
    database: Database = request.app.state.database
    return await database.read(lambda session: verifying.records_of(session, signature_id))
