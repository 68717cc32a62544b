"""The present state of the lines: read once a process, however many listen."""

from __future__ import annotations

from sqlalchemy import Row

from kojo_mes.kit.database import ReadSession
from kojo_mes.line_states.timeline import State
from kojo_mes.lines import repository as lines_repository
from kojo_mes.lines.service import FRESH, running
from kojo_mes.live import repository
from kojo_mes.live.board import Thing
from kojo_mes.live.figures import Figures
from kojo_mes.live.schemas import EquipmentNow, LineNow, QualityNow, ShiftNow, StateNow
from kojo_mes.nonconformance import repository as nonconformance_repository


async def things(session: ReadSession, figures: Figures) -> list[Thing]:
    """All lines in the plant's order, then all equipment, then the quality of all lines."""
    machines = await lines_repository.present_equipment(session, FRESH)
    statuses: dict[str, list[float | None]] = {}
    for machine in machines:
        statuses.setdefault(machine.line_id, []).append(machine.status)
    lines = [
        LineNow(
            line=row.id,
            running=running(statuses.get(row.id, [])),
            efficiency=figures.efficiency.get(row.id),
            state=_state(row),
            shift=_shift(row),
        )
        for row in await repository.lines(session)
    ]
    equipment = [
        EquipmentNow(
            line=machine.line_id,
            equipment=machine.id,
            running=running([machine.status]),
            temperature=machine.temperature,
            temperature_limit=machine.temperature_limit,
            health=figures.health.get(machine.id),
        )
        for machine in machines
    ]
    quality = [
        QualityNow.model_validate(row, from_attributes=True) for row in await nonconformance_repository.totals(session)
    ]
    return [*lines, *equipment, *quality]


def _state(row: Row[tuple[object, ...]]) -> StateNow | None:
    if row.state is None:
        return None
    return StateNow(state=State(row.state), reason=row.reason, product=row.product, since=row.since)


def _shift(row: Row[tuple[object, ...]]) -> ShiftNow | None:
    if row.shift is None:
        return None
    return ShiftNow(
        id=row.shift,
        name=row.name,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        good=row.good,
        scrap=row.scrap,
        rework=row.rework,
    )
