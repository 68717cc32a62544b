"""Lines as a tree, and the figures that the line monitor shows of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from kojo_mes.kit.database import ReadSession
from kojo_mes.kit.problems import Fault, Problem
from kojo_mes.lines import repository
from kojo_mes.lines.equipment_health import health_of
from kojo_mes.lines.models import Line
from kojo_mes.lines.schemas import (
    AreaOut,
    EquipmentHealth,
    EquipmentLeaf,
    EquipmentOut,
    Hierarchy,
    LineBranch,
    LineOut,
    Lines,
    SensorOut,
    SiteOut,
    WorkCellOut,
)

PERIOD = timedelta(minutes=10)  # efficiency and health look back this far
FRESH = timedelta(seconds=30)  # an older status or temperature is not a present one
SHORTEST_OBSERVATION = 10.0  # seconds; before, an efficiency would be noise


@dataclass(frozen=True)
class EquipmentState:
    id: str
    line: str
    temperature: float | None
    temperature_limit: float
    health: float | None


@dataclass(frozen=True)
class LineState:
    id: str
    running: bool | None
    efficiency: float | None


async def lines(session: ReadSession) -> Lines:
    tree: dict[str, LineOut] = {}
    branches: dict[str, EquipmentOut] = {}
    for line, equipment, sensor in await repository.active_lines(session):
        if line.id not in tree:
            tree[line.id] = LineOut(
                id=line.id,
                name=line.name,
                product=line.product,
                ideal_cycle_time=line.ideal_cycle_time,
                equipment=[],
            )
        if equipment.id not in branches:
            branches[equipment.id] = EquipmentOut(
                id=equipment.id,
                name=equipment.name,
                type=equipment.type,
                temperature_limit=equipment.temperature_limit,
                sensors=[],
            )
            tree[line.id].equipment.append(branches[equipment.id])
        branches[equipment.id].sensors.append(SensorOut.model_validate(sensor))
    return Lines(items=list(tree.values()))


async def states(session: ReadSession) -> tuple[list[LineState], list[EquipmentState]]:
    """What is not known is None, never a guess: the metric is then absent, and an alert on absence speaks."""
    machines = await repository.equipment_states(session, PERIOD, FRESH)
    statuses: dict[str, list[float | None]] = {}
    for machine in machines:
        statuses.setdefault(machine.line_id, []).append(machine.status)
    now = datetime.now(UTC)
    line_states = [
        LineState(
            line.id,
            running(statuses.get(line.id, [])),
            efficiency(line.good, line.ideal_cycle_time, (now - line.first_time).total_seconds())
            if line.first_time
            else None,
        )
        for line in await repository.line_states(session, PERIOD)
    ]
    equipment_states = [
        EquipmentState(
            machine.id,
            machine.line_id,
            machine.temperature,
            machine.temperature_limit,
            health(
                machine.temperature,
                machine.temperature_limit,
                machine.running_share,
                machine.good,
                machine.rejected,
            ),
        )
        for machine in machines
    ]
    return line_states, equipment_states


def running(statuses: list[float | None]) -> bool | None:
    """A line runs when all of its equipment does; one stopped piece stops it, even when another is silent."""
    if any(status == 0 for status in statuses):
        return False
    return None if not statuses or None in statuses else True


def efficiency(good: float, ideal_cycle_time: float, seconds: float) -> float | None:
    """Good units times their ideal time, as a percentage of the time that they took."""
    return 100 * good * ideal_cycle_time / seconds if seconds >= SHORTEST_OBSERVATION else None


def health(
    temperature: float | None,
    limit: float,
    running_share: float | None,
    good: float | None,
    rejected: float | None,
) -> float | None:
    """0 to 100 (lines/equipment_health.py), or None when it isn't known."""
    parts = health_of(temperature, limit, running_share, good, rejected)
    return None if parts is None else parts.score


async def equipment_health(session: ReadSession, equipment_id: str) -> EquipmentHealth:
    """404 for equipment that the plant doesn't have; 409 that names what is not known of it."""
    machines = await repository.equipment_states(session, PERIOD, FRESH)
    machine = next((row for row in machines if row.id == equipment_id), None)
    if machine is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-equipment", f"{equipment_id} is not equipment of this plant")
    inputs = {
        "temperature": machine.temperature,
        "status": machine.running_share,
        "good_total" if machine.totals else "good_count": machine.good,
        "reject_total" if machine.totals else "reject_count": machine.rejected,
    }
    parts = health_of(
        machine.temperature, machine.temperature_limit, machine.running_share, machine.good, machine.rejected
    )
    if parts is None:
        missing = [
            Fault(place="data", field=f"{equipment_id}.{name}", detail="has no reading of good quality lately")
            for name, value in inputs.items()
            if value is None
        ]
        raise Problem(
            HTTPStatus.CONFLICT, "health-inputs-missing", "The health score's inputs are missing", errors=missing
        )
    return EquipmentHealth(
        equipment=machine.id,
        line=machine.line_id,
        temperature=machine.temperature,
        temperature_limit=machine.temperature_limit,
        running_share=machine.running_share,
        good=machine.good,
        rejected=machine.rejected,
        thermal_points=parts.thermal,
        running_points=parts.running,
        good_points=parts.good,
        score=parts.score,
    )


async def hierarchy(session: ReadSession) -> Hierarchy:
    """ISA-95's tree. What the plant's page left out, an area or a work cell, is left out here too."""
    site = await repository.site(session)
    cells: dict[str, list[WorkCellOut]] = {}
    for cell in await repository.work_cells(session):
        cells.setdefault(cell.line_id, []).append(WorkCellOut(id=cell.id, name=cell.name, equipment=[]))
    places = {cell.id: cell for of_line in cells.values() for cell in of_line}
    lines: dict[str | None, list[LineBranch]] = {}
    branches: dict[str, LineBranch] = {}
    for line, equipment in await repository.placed_equipment(session):
        if line.id not in branches:
            branches[line.id] = LineBranch(id=line.id, name=line.name, work_cells=cells.get(line.id, []), equipment=[])
            lines.setdefault(line.area_id, []).append(branches[line.id])
        place = places[equipment.work_cell_id] if equipment.work_cell_id else branches[line.id]
        place.equipment.append(EquipmentLeaf.model_validate(equipment))
    areas = [
        AreaOut(id=area.id, name=area.name, lines=lines.get(area.id, [])) for area in await repository.areas(session)
    ]
    return Hierarchy(
        enterprise=site.enterprise,
        site=SiteOut(id=site.id, name=site.name, timezone=site.timezone, areas=areas, lines=lines.get(None, [])),
    )


async def known(session: ReadSession, line_id: str) -> Line:
    """404 when the plant has no such line in use."""
    line = await repository.line(session, line_id)
    if line is None:
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-line", f"{line_id} is not a line of this plant")
    return line
