"""A production line of the load's own: what is sent and counted there is no real line's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.lab import Lab
from tests.load.remote import sql

LINE = "load-test"
MACHINES = 4
# a possible value of each measurement
VALUES = {
    "status": "1",
    "good_count": "1",
    "reject_count": "0",
    "temperature": "61.5",
    "quality_passed": "1",
    "quality_failed": "0",
}

UP = """
BEGIN;
INSERT INTO mes.line (id, name, product, ideal_cycle_time, micro_stop_limit, position)
SELECT :'line', '{"en": "Load test"}', product, 1, 0, 1000
FROM mes.line WHERE retired_at IS NULL ORDER BY position LIMIT 1
ON CONFLICT (id) DO UPDATE SET retired_at = NULL;
INSERT INTO mes.equipment (id, line_id, name, type, temperature_limit, position)
SELECT :'line' || '-' || number, :'line', '{"en": "Load test"}', 'press', 80, number
FROM generate_series(1, :machines) AS number
ON CONFLICT (id) DO UPDATE SET retired_at = NULL;
INSERT INTO mes.sensor (name, equipment_id, measurement)
SELECT :'line' || '-' || number || '.' || measurement, :'line' || '-' || number, measurement
FROM generate_series(1, :machines) AS number, unnest(string_to_array(:'measurements', ' ')) AS measurement
ON CONFLICT DO NOTHING;
COMMIT;
"""
# the line stays, retired, and so do its records; telemetry of machines that don't exist goes
DOWN = """
BEGIN;
UPDATE mes.equipment SET retired_at = now() WHERE line_id = :'line';
UPDATE mes.line SET retired_at = now() WHERE id = :'line';
DELETE FROM mes.reading USING mes.sensor, mes.equipment
WHERE sensor.id = sensor_id AND equipment.id = equipment_id AND line_id = :'line'
    AND NOT EXISTS (SELECT FROM mes.readings_hold AS hold
                    WHERE hold.sensor_id = reading.sensor_id AND hold.time = reading.time);
DELETE FROM mes.reading_source WHERE source LIKE :'line' || '-%';
DELETE FROM mes.idempotency_key WHERE key LIKE :'line' || '-%';
DELETE FROM mes.line_total WHERE line_id = :'line';
COMMIT;
"""


def sensors(machine: int) -> dict[str, str]:
    """Return the sensors of a machine, each with a value that it may have."""
    return {f"{LINE}-{machine}.{measurement}": value for measurement, value in VALUES.items()}


@contextmanager
def own_line(lab: Lab) -> Iterator[None]:
    """A line with machines and sensors for as long as the load lasts."""
    sql(lab, UP, line=LINE, machines=MACHINES, measurements=" ".join(VALUES))
    try:
        yield
    finally:
        sql(lab, DOWN, line=LINE)
