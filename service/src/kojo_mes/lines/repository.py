"""SQL of lines, equipment and sensors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from kojo_mes.kit.database import ReadSession
from kojo_mes.lines.models import Equipment, Line, Sensor
from kojo_mes.lines.plant import Measurement, Plant

LINE_STATES = text("""
    SELECT line.id, line.ideal_cycle_time,
           outlet.first_time, coalesce(outlet.good, 0) AS good
    FROM mes.line
    CROSS JOIN LATERAL (
        SELECT sensor.id FROM mes.sensor JOIN mes.equipment ON equipment.id = sensor.equipment_id
        WHERE equipment.line_id = line.id AND equipment.retired_at IS NULL AND sensor.measurement = 'good_count'
        ORDER BY equipment.position DESC LIMIT 1
    ) AS last_station
    CROSS JOIN LATERAL (
        SELECT min(time) AS first_time, sum(value) - (array_agg(value ORDER BY time))[1] AS good
        FROM mes.reading
        WHERE sensor_id = last_station.id AND quality = 'good' AND time > now() - CAST(:period AS interval)
    ) AS outlet
    WHERE line.retired_at IS NULL
    ORDER BY line.position
""")

EQUIPMENT_STATES = text("""
    SELECT equipment.id, equipment.line_id, equipment.temperature_limit,
           max(latest.value) FILTER (WHERE sensor.measurement = 'status') AS status,
           max(latest.value) FILTER (WHERE sensor.measurement = 'temperature') AS temperature,
           max(past.mean) FILTER (WHERE sensor.measurement = 'status') AS running_share,
           max(past.total) FILTER (WHERE sensor.measurement = 'good_count') AS good,
           max(past.total) FILTER (WHERE sensor.measurement = 'reject_count') AS rejected
    FROM mes.equipment
    JOIN mes.sensor ON sensor.equipment_id = equipment.id
    LEFT JOIN LATERAL (
        SELECT value FROM mes.reading
        WHERE sensor_id = sensor.id AND quality = 'good' AND time > now() - CAST(:fresh AS interval)
        ORDER BY time DESC LIMIT 1
    ) AS latest ON true
    LEFT JOIN LATERAL (
        SELECT avg(value) AS mean, sum(value) AS total FROM mes.reading
        WHERE sensor_id = sensor.id AND quality = 'good' AND time > now() - CAST(:period AS interval)
    ) AS past ON true
    WHERE equipment.retired_at IS NULL
    GROUP BY equipment.id
    ORDER BY equipment.line_id, equipment.position
""")


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


def synchronise(connection: Connection, plant: Plant) -> int:
    """Makes the tables say what the plant's page says; returns how many rows that took. Nothing is deleted: readings
    of a line that left the page are still its own.
    """
    lines = [
        {**line.model_dump(exclude={"equipment"}), "position": position, "retired_at": None}
        for position, line in enumerate(plant.lines)
    ]
    equipment = [
        {**item.model_dump(), "line_id": line.id, "position": position, "retired_at": None}
        for line in plant.lines
        for position, item in enumerate(line.equipment)
    ]
    sensors = [
        {"name": f"{item['id']}.{measurement}", "equipment_id": item["id"], "measurement": measurement.value}
        for item in equipment
        for measurement in Measurement
    ]
    return (
        _retire(connection, Line, lines)
        + _retire(connection, Equipment, equipment)
        + sum(_upsert(connection, Line, row) for row in lines)
        + sum(_upsert(connection, Equipment, row) for row in equipment)
        + sum(_add_sensor(connection, row) for row in sensors)
    )


def _retire(connection: Connection, model: type[Line] | type[Equipment], rows: list[dict[str, Any]]) -> int:
    statement = (
        update(model)
        .where(model.id.not_in([row["id"] for row in rows]), model.retired_at.is_(None))
        .values(retired_at=func.now())
    )
    return len(connection.execute(statement.returning(model.id)).all())


def _upsert(connection: Connection, model: type[Line] | type[Equipment], row: dict[str, Any]) -> int:
    statement = insert(model).values(row)
    columns = [name for name in row if name != "id"]
    wanted = {name: statement.excluded[name] for name in columns}
    present = (getattr(model, name) for name in columns)
    upsert = statement.on_conflict_do_update(
        index_elements=["id"],
        set_=wanted,
        where=func.row(*present).is_distinct_from(func.row(*wanted.values())),
    )
    return len(connection.execute(upsert.returning(model.id)).all())


def _add_sensor(connection: Connection, row: dict[str, str]) -> int:
    statement = insert(Sensor).values(row).on_conflict_do_nothing().returning(Sensor.id)
    return len(connection.execute(statement).all())
