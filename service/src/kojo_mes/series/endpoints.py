"""/api/v1/series."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from kojo_mes.kit.database import ReadSession
from kojo_mes.kit.periods import Period
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Permission, permitted
from kojo_mes.kit.tables import CONTENT, AsCsv, columns_of, table
from kojo_mes.lines.plant import Id
from kojo_mes.readings.schemas import SensorName
from kojo_mes.series import service
from kojo_mes.series.schemas import Completeness, Downsampled, Energy, SensorCompleteness

router = APIRouter(
    prefix="/api/v1/series",
    tags=["series"],
    dependencies=[Depends(permitted(Permission.READINGS_READ))],
    responses=responses(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
MISSING = responses(HTTPStatus.CONFLICT)
COLUMNS = ("time", "count", "bad", "mean", "minimum", "maximum", "total")


@router.get("/downsampled", response_model=Downsampled, responses={200: {"content": CONTENT}})
async def downsampled(
    request: Request,
    as_csv: AsCsv,
    sensor: Annotated[SensorName, Query(examples=["press-1.temperature"])],
    period: Period,
    seconds: Annotated[int, Query(ge=1, le=86_400, description="a bucket's length")] = 60,
) -> Downsampled | Response:
    """A sensor's readings in buckets of equal length: mean, minimum, maximum, total."""

    async def work(session: ReadSession) -> Downsampled:
        return await service.downsampled(session, sensor, period.start, period.end, seconds)

    answer: Downsampled = await request.app.state.database.read(work)
    return table("series", COLUMNS, answer.items) if as_csv else answer


@router.get(
    "/completeness/{shift}", response_model=Completeness, responses={**MISSING, HTTPStatus.OK: {"content": CONTENT}}
)
async def completeness(request: Request, as_csv: AsCsv, shift: UUID) -> Completeness | Response:
    """How much of a shift's data is there, by sensor; as CSV, the sensors."""

    async def work(session: ReadSession) -> Completeness:
        return await service.completeness(session, str(shift))

    answer: Completeness = await request.app.state.database.read(work)
    return table("completeness", columns_of(SensorCompleteness), answer.sensors) if as_csv else answer


@router.get("/energy", response_model=Energy, responses={**MISSING, HTTPStatus.OK: {"content": CONTENT}})
async def energy(
    request: Request, as_csv: AsCsv, line: Annotated[Id, Query(examples=["line-1"])], period: Period
) -> Energy | Response:
    """kWh a good unit; 409 names the inputs that are missing."""

    async def work(session: ReadSession) -> Energy:
        return await service.energy(session, line, period.start, period.end)

    answer: Energy = await request.app.state.database.read(work)
    return table("energy", columns_of(Energy), [answer]) if as_csv else answer
