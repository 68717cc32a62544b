"""/api/v1/lines, and the hierarchy and equipment that they are part of."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Depends, Request

from kojo_mes.kit.database import Database, ReadSession
from kojo_mes.kit.problems import responses
from kojo_mes.kit.security import Permission, permitted
from kojo_mes.kit.table_routes import TableRoute
from kojo_mes.lines import service
from kojo_mes.lines.plant import Id
from kojo_mes.lines.schemas import EquipmentHealth, Hierarchy, Lines

router = APIRouter(
    route_class=TableRoute,
    prefix="/api/v1",
    tags=["lines"],
    dependencies=[Depends(permitted(Permission.LINES_READ))],
    responses=responses(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE),
)


@router.get("/lines")
async def lines(request: Request) -> Lines:
    """The plant's lines, their equipment and sensors, in the order of the plant's page."""
    database: Database = request.app.state.database
    return await database.read(service.lines)


@router.get("/hierarchy")
async def hierarchy(request: Request) -> Hierarchy:
    """Enterprise, site, areas, lines, work cells and equipment (ISA-95)."""
    database: Database = request.app.state.database
    return await database.read(service.hierarchy)


@router.get("/equipment/{equipment}/health", responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
async def equipment_health(request: Request, equipment: Id) -> EquipmentHealth:
    """The health score of now and what it is made of; 409 names the inputs that aren't there."""
    database: Database = request.app.state.database

    async def work(session: ReadSession) -> EquipmentHealth:
        return await service.equipment_health(session, equipment)

    return await database.read(work)
