"""/health: 200 when well, 503 when not."""

from __future__ import annotations

from http import HTTPStatus
from typing import TypeVar

from fastapi import APIRouter, Request, Response

from kojo_mes.health import service
from kojo_mes.health.schemas import Health, IotHealth

H = TypeVar("H", bound=Health)
router = APIRouter(
    prefix="/health", tags=["health"], responses={HTTPStatus.SERVICE_UNAVAILABLE: {"description": "not well"}}
)


def _answer(health: H, response: Response) -> H:
    response.headers["Cache-Control"] = "no-store"
    if health.status == "fail":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return health


@router.get("")
async def alive(response: Response) -> Health:
    """The process answers. Doesn't ask the database: a failover must not take both colours down."""
    return _answer(service.alive(), response)


@router.get("/ready")
async def ready(request: Request, response: Response) -> Health:
    """The service can store: it has just committed a write."""
    return _answer(await service.ready(request.app.state.database), response)


@router.get("/database")
async def database(request: Request, response: Response) -> Health:
    return _answer(await service.database(request.app.state.database), response)


@router.get("/redis")
async def redis(request: Request, response: Response) -> Health:
    return _answer(await service.redis(request.app.state.cache), response)


@router.get("/iot")
async def iot(request: Request, response: Response) -> IotHealth:
    """Every line has sent readings lately."""
    return _answer(await service.iot(request.app.state.database, request.app.state.silence_limit), response)
