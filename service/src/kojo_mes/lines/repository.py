"""SQL of lines, equipment and sensors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.lines.models import Area, Equipment, Line, Sensor, Site, WorkCell
from kojo_mes.lines.plant import Change, LimitsPage, Plant

Level = Area | Line | WorkCell | Equipment

LINE_STATES = text("""
    SELECT line.id, line.ideal_cycle_time,
           outlet.first_time, coalesce(outlet.good, 0) AS good
    FROM mes.line
    CROSS JOIN LATERAL (
        SELECT sensor.id, counter_limit IS NOT NULL AS total
        FROM mes.sensor JOIN mes.equipment ON equipment.id = sensor.equipment_id
        WHERE equipment.line_id = line.id AND equipment.retired_at IS NULL
          AND sensor.measurement = CASE WHEN counter_limit IS NULL THEN 'good_count' ELSE 'good_total' END
        ORDER BY equipment.position DESC LIMIT 1
    ) AS last_station
    -- a total that went down tells nothing of its interval
    CROSS JOIN LATERAL (
        SELECT min(time) AS first_time,
               CASE WHEN last_station.total THEN sum(greatest(step, 0))
                    ELSE sum(value) FILTER (WHERE step IS NOT NULL) END AS good
        FROM (SELECT time, value, value - lag(value) OVER (ORDER BY time) AS step FROM mes.reading
              WHERE sensor_id = last_station.id AND quality = 'good' AND time > now() - CAST(:period AS interval)
             ) AS steps
    ) AS outlet
    WHERE line.retired_at IS NULL
    ORDER BY line.position
""")

EQUIPMENT = """
    SELECT equipment.id, equipment.line_id, equipment.temperature_limit,
           max(latest.value) FILTER (WHERE sensor.measurement = 'status') AS status,
           max(latest.value) FILTER (WHERE sensor.measurement = 'temperature') AS temperature
           {figures}
    FROM mes.equipment
    JOIN mes.sensor ON sensor.equipment_id = equipment.id
    LEFT JOIN LATERAL (
        SELECT value FROM mes.reading
        WHERE sensor_id = sensor.id AND quality = 'good' AND time > now() - CAST(:fresh AS interval)
        ORDER BY time DESC LIMIT 1
    ) AS latest ON true
    {past}
    WHERE equipment.retired_at IS NULL {only}
    GROUP BY equipment.id
    ORDER BY equipment.line_id, equipment.position
"""
EQUIPMENT_STATES = text(
    EQUIPMENT.format(
        figures="""
           , max(past.mean) FILTER (WHERE sensor.measurement = 'status') AS running_share
           , counter_limit IS NOT NULL AS totals
           , CASE WHEN counter_limit IS NULL THEN max(past.total) FILTER (WHERE sensor.measurement = 'good_count')
                  ELSE max(risen.units) FILTER (WHERE sensor.measurement = 'good_total') END AS good
           , CASE WHEN counter_limit IS NULL THEN max(past.total) FILTER (WHERE sensor.measurement = 'reject_count')
                  ELSE max(risen.units) FILTER (WHERE sensor.measurement = 'reject_total') END AS rejected
        """,
        past="""
    LEFT JOIN LATERAL (
        SELECT avg(value) AS mean, sum(value) AS total FROM mes.reading
        WHERE sensor_id = sensor.id AND quality = 'good' AND time > now() - CAST(:period AS interval)
    ) AS past ON true
    LEFT JOIN LATERAL (
        SELECT sum(greatest(step, 0)) AS units
        FROM (SELECT value - lag(value) OVER (ORDER BY time) AS step FROM mes.reading
              WHERE sensor.measurement IN ('good_total', 'reject_total') AND sensor_id = sensor.id
                AND quality = 'good' AND time > now() - CAST(:period AS interval)) AS steps
    ) AS risen ON true
        """,
        only="",
    )
)
# without the ten minutes that figures look back over
PRESENT_EQUIPMENT = text(
    EQUIPMENT.format(figures="", past="", only="AND sensor.measurement IN ('status', 'temperature')")
)


async def active_lines(session: ReadSession) -> Sequence[Row[tuple[Line, Equipment, Sensor]]]:
    """One row a sensor, in the plant's order."""
    result = await session.execute(
        select(Line, Equipment, Sensor)
        .join(Equipment, Equipment.line_id == Line.id)
        .join(Sensor, Sensor.equipment_id == Equipment.id)
        .where(Line.retired_at.is_(None), Equipment.retired_at.is_(None))
        .order_by(Line.position, Equipment.position, Sensor.id)
    )
    return result.all()


async def line_states(session: ReadSession, period: timedelta) -> Sequence[Row[tuple[str, float, datetime, float]]]:
    return (await session.execute(LINE_STATES, {"period": period})).all()


async def equipment_states(session: ReadSession, period: timedelta, fresh: timedelta) -> Sequence[Row[tuple[object]]]:
    return (await session.execute(EQUIPMENT_STATES, {"period": period, "fresh": fresh})).all()


async def present_equipment(session: ReadSession, fresh: timedelta) -> Sequence[Row[Any]]:
    """Latest status and temperature of each piece, as long as they are fresh."""
    return (await session.execute(PRESENT_EQUIPMENT, {"fresh": fresh})).all()


async def site(session: ReadSession) -> Site:
    return (await session.scalars(select(Site))).one()


async def areas(session: ReadSession) -> Sequence[Area]:
    return (await session.scalars(select(Area).where(Area.retired_at.is_(None)).order_by(Area.position))).all()


async def work_cells(session: ReadSession) -> Sequence[WorkCell]:
    return (
        await session.scalars(select(WorkCell).where(WorkCell.retired_at.is_(None)).order_by(WorkCell.position))
    ).all()


async def placed_equipment(session: ReadSession) -> Sequence[Row[tuple[Line, Equipment]]]:
    result = await session.execute(
        select(Line, Equipment)
        .join(Equipment, Equipment.line_id == Line.id)
        .where(Line.retired_at.is_(None), Equipment.retired_at.is_(None))
        .order_by(Line.position, Equipment.position)
    )
    return result.all()


async def line(session: ReadSession, line_id: str) -> Line | None:
    return (await session.scalars(select(Line).where(Line.id == line_id, Line.retired_at.is_(None)))).one_or_none()


async def equipment_ids(session: ReadSession, line_id: str) -> set[str]:
    query = select(Equipment.id).where(Equipment.line_id == line_id, Equipment.retired_at.is_(None))
    return set(await session.scalars(query))


LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('mes.line ' || :line, 0))")


async def lock(session: WriteSession, line_id: str) -> None:
    """One writer of a line's calendar, states and counts at a time; a roll-up then sees all of them or none."""
    await session.execute(LOCK, {"line": line_id})


def synchronise(connection: Connection, plant: Plant) -> list[Change]:
    """Makes the tables say what the plant's page says; what that changed. Nothing is deleted: readings of a line that
    left the page are still its own.
    """
    site = {**plant.model_dump(include={"id", "enterprise", "name", "timezone"}), "only_one": True}
    areas = _placed(area.model_dump() for area in plant.areas)
    lines = _placed(
        {**line.model_dump(exclude={"equipment", "work_cells", "area"}), "area_id": line.area} for line in plant.lines
    )
    cells = [
        row
        for line in plant.lines
        for row in _placed({**cell.model_dump(), "line_id": line.id} for cell in line.work_cells)
    ]
    equipment = [
        row
        for line in plant.lines
        for row in _placed(
            {
                **item.model_dump(exclude={"work_cell", "energy_meter", "limits"}),
                "work_cell_id": item.work_cell,
                "line_id": line.id,
            }
            for item in line.equipment
        )
    ]
    sensors = [
        {
            "name": f"{item.id}.{measurement}",
            "equipment_id": item.id,
            "measurement": measurement.value,
            **item.limits.get(measurement, LimitsPage()).model_dump(),
        }
        for _, item in plant.equipment()
        for measurement in item.measurements()
    ]
    hierarchy: list[tuple[type[Level], list[dict[str, Any]]]] = [
        (Area, areas),
        (Line, lines),
        (WorkCell, cells),
        (Equipment, equipment),
    ]
    return [
        *_upsert(connection, Site, site, key="only_one"),
        *(change for model, rows in hierarchy for change in _retire(connection, model, rows)),
        *(change for model, rows in hierarchy for row in rows for change in _upsert(connection, model, row)),
        *(change for row in sensors for change in _put_sensor(connection, row)),
    ]


def _placed(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "position": position, "retired_at": None} for position, row in enumerate(rows)]


def _retire(connection: Connection, model: type[Level], rows: list[dict[str, Any]]) -> list[Change]:
    statement = (
        update(model)
        .where(model.id.not_in([row["id"] for row in rows]), model.retired_at.is_(None))
        .values(retired_at=func.now())
        .returning(model.id, model.retired_at)
    )
    return [
        Change(model.__tablename__, row.id, {"retired_at": None}, {"retired_at": row.retired_at})
        for row in connection.execute(statement)
    ]


def _upsert(connection: Connection, model: type[Level | Site], row: dict[str, Any], key: str = "id") -> list[Change]:
    columns = [getattr(model, name) for name in row]
    present = connection.execute(select(*columns).where(getattr(model, key) == row[key])).one_or_none()
    old = dict(present._mapping) if present else None
    if old == row:
        return []
    connection.execute(insert(model).values(row).on_conflict_do_update(index_elements=[key], set_=row))
    return [Change(model.__tablename__, row["id"], old, row)]


def _put_sensor(connection: Connection, row: dict[str, Any]) -> list[Change]:
    """Of a sensor that is there only the limits can change: its name has the rest in it."""
    kind = Sensor.__tablename__
    present = connection.execute(
        select(Sensor.id, Sensor.low, Sensor.high).where(Sensor.name == row["name"])
    ).one_or_none()
    if present is None:
        number = connection.scalars(insert(Sensor).values(row).returning(Sensor.id)).one()
        return [Change(kind, str(number), None, {"id": number, **row})]
    old, new = {"low": present.low, "high": present.high}, {"low": row["low"], "high": row["high"]}
    if old == new:
        return []
    connection.execute(update(Sensor).where(Sensor.id == present.id).values(new))
    return [Change(kind, str(present.id), old, new)]
