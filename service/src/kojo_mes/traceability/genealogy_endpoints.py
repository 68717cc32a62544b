"""/api/v1/traceability: genealogy and recalls."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from kojo_mes.kit.database import Database
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Permission, permitted
from kojo_mes.kit.tables import CONTENT, AsCsv, table
from kojo_mes.traceability import genealogy as walk
from kojo_mes.traceability.endpoints import LotId
from kojo_mes.traceability.schemas import AffectedRow, Direction, EdgeRow, Genealogy, Recall

router = APIRouter(
    prefix="/api/v1/traceability/lots",
    tags=["traceability"],
    dependencies=[Depends(permitted(Permission.TRACEABILITY_READ))],
    responses={
        **responses(
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.FORBIDDEN,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
        int(HTTPStatus.OK): {"content": CONTENT},
    },
)


@router.get("/{lot}/genealogy", response_model=Genealogy)
async def genealogy(
    request: Request,
    as_csv: AsCsv,
    lot: LotId,
    direction: Annotated[Direction, Query(description="forward: what it went into; backward: what it was made of")],
) -> Genealogy | Response:
    """All lots upstream or downstream, and every edge between them with its quantity. As CSV: a line an edge."""
    database: Database = request.app.state.database
    answer = await database.read(lambda session: walk.genealogy(session, lot, direction))
    if as_csv:
        return table(f"genealogy-{direction}-{lot}", tuple(EdgeRow.model_fields), walk.edge_rows(answer))
    return answer


@router.get("/{lot}/recall", response_model=Recall)
async def recall(request: Request, as_csv: AsCsv, lot: LotId) -> Response:
    """Every lot and serial in process, in stock or shipped that has some of this lot in it: how it got there, how much
    there is, who has it. As CSV: a line a delivery or stock."""
    database: Database = request.app.state.database
    document = await database.read(lambda session: walk.recall(session, lot))
    if as_csv:
        rows = walk.affected_rows(Recall.model_validate_json(document))
        return table(f"recall-{lot}", tuple(AffectedRow.model_fields), rows)
    return Response(document, media_type="application/json")
