"""/api/v1/readings."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import AwareDatetime

from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Reader, Sender
from kojo_mes.readings import service
from kojo_mes.readings.schemas import Batch, Latest, Page, Receipt

router = APIRouter(
    prefix="/api/v1/readings",
    tags=["readings"],
    responses=responses(HTTPStatus.UNAUTHORIZED, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE),
)


@router.post("", responses=responses(HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
async def take_in(
    request: Request,
    response: Response,
    client: Sender,
    batch: Batch,
    key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            min_length=16,
            max_length=128,
            pattern=r"^[\x21-\x7e]+$",
            description="one a batch; send a batch again with its own key until it is answered",
            examples=["0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10"],
        ),
    ],
) -> Receipt:
    """Stores a batch, all of it or nothing. The answer comes after COMMIT; a repeated key gets the first answer."""
    receipt, replayed = await service.take_in(request.app.state.database, client.name, key, await request.body(), batch)
    if replayed:
        response.headers["Idempotency-Replayed"] = "true"
    return receipt


@router.get("/latest")
async def latest(
    request: Request,
    _client: Reader,
    line: Annotated[str | None, Query(examples=["line-1"])] = None,
) -> Latest:
    """The latest reading of every sensor, or of a line's."""
    answer = await service.latest(request.app.state.database, request.app.state.cache)
    if line is not None:
        answer.items = [item for item in answer.items if item.line == line]
    return answer


@router.get("")
async def readings(
    request: Request,
    _client: Reader,
    sensor: Annotated[str, Query(examples=["press-1.temperature"])],
    start: Annotated[AwareDatetime, Query(alias="from", examples=["2026-01-05T08:00:00+09:00"])],
    end: Annotated[AwareDatetime, Query(alias="to", examples=["2026-01-05T20:00:00+09:00"])],
    after: Annotated[AwareDatetime | None, Query(description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Page:
    """A sensor's readings in the order of time, a page at a time."""
    return await service.page(request.app.state.database, sensor, start, end, after, limit)
