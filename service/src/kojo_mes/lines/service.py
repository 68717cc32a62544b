"""Lines as a tree, and the figures that the line monitor shows of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kojo_mes.kit.database import ReadSession
from kojo_mes.lines import repository
from kojo_mes.lines.schemas import EquipmentOut, LineOut, Lines, SensorOut

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
    """0 to 100: 40 for thermal headroom (all up to 80 % of the limit, none at the limit), 30 for the share of time
    running and 30 for the share of good units (all while nothing was made)."""
    if temperature is None or running_share is None or good is None or rejected is None:
        return None
    headroom = min(1.0, max(0.0, (limit - temperature) / (0.2 * limit)))
    made = good + rejected
    return 40 * headroom + 30 * running_share + 30 * (good / made if made else 1.0)
