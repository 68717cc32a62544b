"""SQL of readings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select, text

from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.metrics import STATEMENT_DURATION
from kojo_mes.kit.security import Actor
from kojo_mes.readings.models import Reading, Sender
from kojo_mes.readings.sequences import Ledger

MONTHS_AHEAD = 3

SENSORS = text("""
    SELECT sensor.id, sensor.name, sensor.measurement, sensor.equipment_id, equipment.line_id,
           sensor.low, sensor.high
    FROM mes.sensor
    JOIN mes.equipment ON equipment.id = sensor.equipment_id AND equipment.retired_at IS NULL
    JOIN mes.line ON line.id = equipment.line_id AND line.retired_at IS NULL
    WHERE sensor.name = ANY(:names)
""")

# quality has a length: a table that can't have long values has no TOAST table to empty at each COMMIT
STAGE = text("""
    CREATE TEMPORARY TABLE IF NOT EXISTS reading_stage (
        sensor_id integer NOT NULL, time timestamptz NOT NULL, value double precision NOT NULL,
        quality varchar(9) NOT NULL, skewed boolean NOT NULL, out_of_limits boolean NOT NULL
    ) ON COMMIT DELETE ROWS
""")
COPY = "COPY reading_stage (sensor_id, time, value, quality, skewed, out_of_limits) FROM STDIN (FORMAT BINARY)"

# instead, for few: one round trip less than a table, its COPY and what empties it
FEW = 500
GIVEN = """reading_stage AS MATERIALIZED (
        SELECT * FROM unnest(CAST(:sensors AS integer[]), CAST(:times AS timestamptz[]),
                             CAST(:numbers AS double precision[]), CAST(:qualities AS text[]),
                             CAST(:skewed AS boolean[]), CAST(:beyond AS boolean[]))
            AS given (sensor_id, time, value, quality, skewed, out_of_limits)
    ), """

# Totals are added in the order of their keys: two batches can't lock each other out. What a line's states and counts
# are derived from leaves word of its time (signals/service.py).
STORE = """
    WITH {given}origin AS MATERIALIZED (
        SELECT mes.sender_of(:kind, :device, :name) AS sender_id, nextval('mes.reading_batch') AS batch_id
    ), stored AS (
        INSERT INTO mes.reading (sensor_id, time, value, quality, received_at, sender_id, batch_id)
        SELECT sensor_id, time, value, quality, now(), sender_id, batch_id
        FROM reading_stage, origin ORDER BY sensor_id, time
        ON CONFLICT (sensor_id, time) DO NOTHING
        RETURNING sensor_id, time, value, quality
    ), accepted AS (
        SELECT equipment.line_id,
               count(*) AS accepted,
               count(*) FILTER (WHERE stored.time < now() - CAST(:late AS interval)) AS late,
               count(*) FILTER (WHERE quality = 'bad') AS bad,
               coalesce(sum(value) FILTER (WHERE measurement = 'quality_passed' AND quality <> 'bad'), 0) AS passed,
               coalesce(sum(value) FILTER (WHERE measurement = 'quality_failed' AND quality <> 'bad'), 0) AS failed
        FROM stored JOIN mes.sensor ON sensor.id = stored.sensor_id
                    JOIN mes.equipment ON equipment.id = sensor.equipment_id
        GROUP BY equipment.line_id
    ), received AS (
        SELECT equipment.line_id, count(*) AS received, count(*) FILTER (WHERE out_of_limits) AS out_of_limits
        FROM reading_stage JOIN mes.sensor ON sensor.id = reading_stage.sensor_id
                           JOIN mes.equipment ON equipment.id = sensor.equipment_id
        GROUP BY equipment.line_id
    ), counted AS (
        INSERT INTO mes.line_total AS total (line_id, slot, received, duplicates, late, bad, quality_passed,
                                             quality_failed, out_of_limits, last_received_at)
        SELECT line_id, pg_backend_pid() % 16, received, received - coalesce(accepted, 0), coalesce(late, 0),
               coalesce(bad, 0), coalesce(passed, 0), coalesce(failed, 0), received.out_of_limits, now()
        FROM received LEFT JOIN accepted USING (line_id)
        ORDER BY line_id
        ON CONFLICT (line_id, slot) DO UPDATE SET
            received = total.received + excluded.received,
            duplicates = total.duplicates + excluded.duplicates,
            late = total.late + excluded.late,
            bad = total.bad + excluded.bad,
            quality_passed = total.quality_passed + excluded.quality_passed,
            quality_failed = total.quality_failed + excluded.quality_failed,
            out_of_limits = total.out_of_limits + excluded.out_of_limits,
            last_received_at = excluded.last_received_at
        RETURNING total.late
    ), by_device AS (
        INSERT INTO mes.device_total AS total (device_id, slot, received, duplicates, late, skewed, bad,
                                               out_of_limits, last_received_at)
        SELECT :device, pg_backend_pid() % 16, came.received, came.received - coalesce(new.accepted, 0),
               coalesce(new.late, 0), came.skewed, coalesce(new.bad, 0), came.out_of_limits, now()
        FROM (SELECT count(*) AS received, count(*) FILTER (WHERE skewed) AS skewed,
                     count(*) FILTER (WHERE out_of_limits) AS out_of_limits
              FROM reading_stage) AS came,
             (SELECT sum(accepted) AS accepted, sum(late) AS late, sum(bad) AS bad FROM accepted) AS new,
             (SELECT count(*) FROM counted) AS after_the_lines
        ON CONFLICT (device_id, slot) DO UPDATE SET
            received = total.received + excluded.received,
            duplicates = total.duplicates + excluded.duplicates,
            late = total.late + excluded.late,
            skewed = total.skewed + excluded.skewed,
            bad = total.bad + excluded.bad,
            out_of_limits = total.out_of_limits + excluded.out_of_limits,
            last_received_at = excluded.last_received_at
    ), word AS (
        INSERT INTO mes.signal_change (line_id, from_time, to_time)
        SELECT equipment.line_id, min(stored.time), max(stored.time)
        FROM stored JOIN mes.sensor ON sensor.id = stored.sensor_id
                    JOIN mes.equipment ON equipment.id = sensor.equipment_id
        WHERE quality <> 'bad'
          AND measurement IN ('status', 'good_count', 'reject_count', 'good_total', 'reject_total')
        GROUP BY equipment.line_id
    )
    SELECT count(*) FROM stored
"""
STORE_STAGED, STORE_GIVEN = text(STORE.format(given="")), text(STORE.format(given=GIVEN))

LATEST = text("""
    SELECT sensor.name AS sensor, equipment.line_id AS line, equipment.id AS equipment, sensor.measurement,
           latest.time, latest.value, latest.quality, latest.received_at
    FROM mes.sensor
    JOIN mes.equipment ON equipment.id = sensor.equipment_id AND equipment.retired_at IS NULL
    JOIN mes.line ON line.id = equipment.line_id AND line.retired_at IS NULL
    CROSS JOIN LATERAL (
        SELECT time, value, quality, received_at FROM mes.reading WHERE sensor_id = sensor.id ORDER BY time DESC LIMIT 1
    ) AS latest
    ORDER BY line.position, equipment.position, sensor.id
""")

TOTALS = text("""
    SELECT line.id AS line, coalesce(sum(received), 0) AS received, coalesce(sum(duplicates), 0) AS duplicates,
           coalesce(sum(late), 0) AS late, coalesce(sum(bad), 0) AS bad,
           coalesce(sum(out_of_limits), 0) AS out_of_limits,
           extract(epoch FROM now() - max(last_received_at)) AS age
    FROM mes.line LEFT JOIN mes.line_total ON line_total.line_id = line.id
    WHERE line.retired_at IS NULL
    GROUP BY line.id
    ORDER BY line.position
""")


LEDGER = text("""
    INSERT INTO mes.reading_source AS source (actor_id, source) VALUES (:actor, :source)
    ON CONFLICT (actor_id, source) DO UPDATE SET last_received_at = now()
    RETURNING first, last, missing, received, duplicates, out_of_order, lost
""")
KEEP_LEDGER = text("""
    UPDATE mes.reading_source
    SET first = :first, last = :last, missing = CAST(:missing AS jsonb), received = :received, duplicates = :duplicates,
        out_of_order = :out_of_order, lost = :lost
    WHERE actor_id = :actor AND source = :source
""")
SOURCES = text("""
    SELECT actor_id AS actor, source, last, received, duplicates, out_of_order, last_received_at,
           lost + (SELECT coalesce(sum(CAST(gap ->> 1 AS bigint) - CAST(gap ->> 0 AS bigint)), 0)
                   FROM jsonb_array_elements(missing) AS gap) AS missing
    FROM mes.reading_source
    WHERE CAST(:time AS timestamptz) IS NULL OR (last_received_at, actor_id, source) < (:time, :actor, :source)
    ORDER BY last_received_at DESC, actor_id DESC, source DESC LIMIT :limit
""")
# of devices, and of the settings' keys: no device's name has a space; both are few
BY_DEVICE = text("""
    SELECT device_id AS id, coalesce(device.name, 'key ' || device_id) AS name, coalesce(received, 0) AS received,
           coalesce(duplicates, 0) AS duplicates, coalesce(late, 0) AS late, coalesce(skewed, 0) AS skewed,
           coalesce(bad, 0) AS bad, coalesce(out_of_limits, 0) AS out_of_limits,
           coalesce(sequence_missing, 0) AS sequence_missing,
           coalesce(sequence_duplicates, 0) AS sequence_duplicates, coalesce(out_of_order, 0) AS out_of_order,
           last_received_at
    FROM (
        SELECT device_id, sum(received) AS received, sum(duplicates) AS duplicates, sum(late) AS late,
               sum(skewed) AS skewed, sum(bad) AS bad, sum(out_of_limits) AS out_of_limits,
               max(last_received_at) AS last_received_at
        FROM mes.device_total GROUP BY device_id
    ) AS total
    LEFT JOIN (
        SELECT actor_id AS device_id, sum(duplicates) AS sequence_duplicates, sum(out_of_order) AS out_of_order,
               sum(lost + (SELECT coalesce(sum(CAST(gap ->> 1 AS bigint) - CAST(gap ->> 0 AS bigint)), 0)
                           FROM jsonb_array_elements(missing) AS gap)) AS sequence_missing
        FROM mes.reading_source GROUP BY actor_id
    ) AS sequence USING (device_id)
    LEFT JOIN mes.device ON device.id = device_id
    WHERE CAST(:after AS text) IS NULL OR device_id > :after
    ORDER BY device_id LIMIT :limit
""")
DISORDER = text("""
    SELECT coalesce(sum(duplicates), 0) AS duplicates, coalesce(sum(out_of_order), 0) AS out_of_order,
           coalesce(sum(lost + (SELECT coalesce(sum(CAST(gap ->> 1 AS bigint) - CAST(gap ->> 0 AS bigint)), 0)
                                FROM jsonb_array_elements(missing) AS gap)), 0) AS missing
    FROM mes.reading_source
""")


class Staged(NamedTuple):
    sensor_id: int
    time: datetime
    value: float
    quality: str
    skewed: bool
    out_of_limits: bool


async def sensors(session: ReadSession, names: Iterable[str]) -> Sequence[Row[Any]]:
    return (await session.execute(SENSORS, {"names": sorted(set(names))})).all()


async def store(session: WriteSession, sender: Actor, readings: Sequence[Staged], late: timedelta) -> int:
    """How many were new. At least one is given."""
    values = {"late": late, "kind": sender.kind, "device": sender.id, "name": sender.name}
    if len(readings) > FEW:
        await _stage(session, readings)
        return int((await session.execute(STORE_STAGED, values)).scalar_one())
    columns = zip(
        ("sensors", "times", "numbers", "qualities", "skewed", "beyond"), zip(*readings, strict=True), strict=True
    )
    given = {name: list(column) for name, column in columns}
    return int((await session.execute(STORE_GIVEN, values | given)).scalar_one())


async def _stage(session: WriteSession, readings: Iterable[Staged]) -> None:
    await session.execute(STAGE)
    driver = await session.driver()
    with STATEMENT_DURATION.labels("copy").time():
        async with driver.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.set_types(["int4", "timestamptz", "float8", "text", "bool", "bool"])
            for reading in readings:
                await copy.write_row(reading)


async def ledger(session: WriteSession, actor_id: str, source: str) -> Ledger:
    """Locked: two batches of a source are one after the other."""
    row = (await session.execute(LEDGER, {"actor": actor_id, "source": source})).one()
    missing = tuple((start, end) for start, end in row.missing)
    return Ledger(row.first, row.last, missing, row.received, row.duplicates, row.out_of_order, row.lost)


async def keep_ledger(session: WriteSession, actor_id: str, source: str, ledger: Ledger) -> None:
    values = {
        "actor": actor_id,
        "source": source,
        "first": ledger.first,
        "last": ledger.last,
        "missing": json.dumps(ledger.missing),
        "received": ledger.received,
        "duplicates": ledger.duplicates,
        "out_of_order": ledger.out_of_order,
        "lost": ledger.lost,
    }
    await session.execute(KEEP_LEDGER, values)


async def sources(session: ReadSession, after: tuple[datetime, str, str] | None, limit: int) -> Sequence[Row[Any]]:
    """Those first that were heard of last."""
    time, actor, source = after or (None, None, None)
    values = {"time": time, "actor": actor, "source": source, "limit": limit}
    return (await session.execute(SOURCES, values)).all()


async def by_device(session: ReadSession, after: str | None, limit: int) -> Sequence[Row[Any]]:
    """What came of each device's readings, in the order of their ids."""
    return (await session.execute(BY_DEVICE, {"after": after, "limit": limit})).all()


async def disorder(session: ReadSession) -> Row[Any]:
    """Of all sources' sequence numbers together."""
    return (await session.execute(DISORDER)).one()


async def latest(session: ReadSession) -> Sequence[Row[tuple[object]]]:
    return (await session.execute(LATEST)).all()


async def page(
    session: ReadSession, sensor: str, start: datetime, end: datetime, after: datetime | None, limit: int
) -> Sequence[Row[Any]]:
    """In the order of time, from `start` up to before `end`, beginning after `after`."""
    known = await sensors(session, [sensor])
    query = (
        select(
            Reading.time,
            Reading.value,
            Reading.quality,
            Reading.received_at,
            Sender.actor_id.label("sender"),
            Sender.name.label("sender_name"),
            Reading.batch_id.label("batch"),
        )
        .outerjoin(Sender, Sender.id == Reading.sender_id)
        .where(Reading.sensor_id.in_([row.id for row in known]), Reading.time >= start, Reading.time < end)
        .order_by(Reading.time)
        .limit(limit)
    )
    if after is not None:
        query = query.where(Reading.time > after)
    return (await session.execute(query)).all()


async def totals(session: ReadSession) -> Sequence[Row[tuple[object]]]:
    return (await session.execute(TOTALS)).all()


MAKE_PARTITIONS = text("SELECT mes.make_reading_partitions(:months)")


def make_partitions(connection: Connection) -> int:
    return int(connection.execute(MAKE_PARTITIONS, {"months": MONTHS_AHEAD}).scalar_one())


async def make_partitions_ahead(session: WriteSession) -> int:
    return int((await session.execute(MAKE_PARTITIONS, {"months": MONTHS_AHEAD})).scalar_one())
