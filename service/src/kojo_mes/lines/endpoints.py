"""GET /api/v1/lines."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Depends, Request

from kojo_mes.kit.database import Database
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Permission, permitted
from kojo_mes.lines import service
from kojo_mes.lines.schemas import Lines

router = APIRouter(prefix="/api/v1/lines", tags=["lines"])


@router.get(
    "",
    dependencies=[Depends(permitted(Permission.LINES_READ))],
    responses=responses(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def lines(request: Request) -> Lines:
    """The plant's lines, their equipment and sensors, in the order of the plant's page."""
    database: Database = request.app.state.database
    return await database.read(service.lines)
