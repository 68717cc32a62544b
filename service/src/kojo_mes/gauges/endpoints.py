"""/api/v1/gauges."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from kojo_mes.gauges import service
from kojo_mes.gauges.schemas import CalibrationIn, CalibrationReceipt, GaugeDetail, GaugeId, GaugeIn, GaugeOut
from kojo_mes.kit.database import Database
from kojo_mes.kit.pages import DEFAULT_LIMIT, Cursor, Limit, Page
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Actor, Permission, permitted
from kojo_mes.kit.table_routes import TableRoute
from kojo_mes.kit.versions import IfMatch, etag
from kojo_mes.kit.writes import Write, writing

router = APIRouter(
    route_class=TableRoute,
    prefix="/api/v1/gauges",
    tags=["gauges"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
)
Reader = Annotated[Actor, Depends(permitted(Permission.QUALITY_READ))]
Definer = Annotated[Write, Depends(writing(Permission.QUALITY_DEFINE))]
Calibrator = Annotated[Write, Depends(writing(Permission.QUALITY_CALIBRATE))]
Gauge = Annotated[GaugeId, Path()]
MISSING = responses(HTTPStatus.NOT_FOUND)
CHANGE = responses(
    HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED
)


@router.post("", status_code=HTTPStatus.CREATED, response_model=GaugeOut, responses=responses(HTTPStatus.CONFLICT))
async def register(write: Definer, gauge: GaugeIn) -> Response:
    """Registers a gauge. It may be used after its first calibration."""
    return await write.run(lambda session: service.register(session, write.actor, gauge), status=HTTPStatus.CREATED)


@router.get("")
async def gauges(request: Request, _reader: Reader, after: Cursor, limit: Limit = DEFAULT_LIMIT) -> Page[GaugeOut]:
    """Gauges by their ids, a page at a time."""
    database: Database = request.app.state.database
    return await database.read(lambda session: service.page(session, after, limit))


@router.get("/{gauge}", responses=MISSING)
async def gauge(request: Request, response: Response, _reader: Reader, gauge: Gauge) -> GaugeDetail:
    """A gauge with its calibrations, and whether it may be used now."""
    database: Database = request.app.state.database
    answer = await database.read(lambda session: service.read(session, gauge))
    etag(response, answer.version)
    return answer


@router.post("/{gauge}/retirement", response_model=GaugeOut, responses=CHANGE)
async def retire(write: Definer, gauge: Gauge, version: IfMatch) -> Response:
    """Takes a gauge out of use, for good."""
    return await write.run(lambda session: service.retire(session, write.actor, gauge, version))


@router.post(
    "/{gauge}/calibrations",
    status_code=HTTPStatus.CREATED,
    response_model=CalibrationReceipt,
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def calibrate(write: Calibrator, gauge: Gauge, calibration: CalibrationIn) -> Response:
    """Records a calibration. Found out of tolerance, it tells how many checks are affected since the last good one."""
    return await write.run(
        lambda session: service.calibrate(session, write.actor, gauge, calibration), status=HTTPStatus.CREATED
    )
