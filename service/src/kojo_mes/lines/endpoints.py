"""GET /api/v1/lines."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request

from kojo_mes.kit.database import Database
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Reader
from kojo_mes.lines import service
from kojo_mes.lines.schemas import Lines

router = APIRouter(prefix="/api/v1/lines", tags=["lines"])


@router.get("", responses=responses(HTTPStatus.UNAUTHORIZED, HTTPStatus.SERVICE_UNAVAILABLE))
async def lines(request: Request, _client: Reader) -> Lines:
    """The plant's lines, their equipment and sensors, in the order of the plant's page."""
    database: Database = request.app.state.database
    return await database.read(service.lines)
