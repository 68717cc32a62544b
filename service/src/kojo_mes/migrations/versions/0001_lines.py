"""Lines, equipment and sensors of the plant."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

UP = """
CREATE TABLE mes.line (
    id text PRIMARY KEY,
    name jsonb NOT NULL,
    product text NOT NULL,
    ideal_cycle_time double precision NOT NULL CHECK (ideal_cycle_time > 0),
    position integer NOT NULL,
    retired_at timestamptz
);
CREATE TABLE mes.equipment (
    id text PRIMARY KEY,
    line_id text NOT NULL REFERENCES mes.line,
    name jsonb NOT NULL,
    type text NOT NULL,
    temperature_limit double precision NOT NULL,
    position integer NOT NULL,
    retired_at timestamptz
);
CREATE INDEX equipment_line_id ON mes.equipment (line_id);
CREATE TABLE mes.sensor (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    equipment_id text NOT NULL REFERENCES mes.equipment,
    measurement text NOT NULL,
    UNIQUE (equipment_id, measurement)
);
GRANT USAGE ON SCHEMA mes TO kojo_app, kojo_read, kojo_audit;
GRANT SELECT ON mes.line, mes.equipment, mes.sensor TO kojo_app, kojo_read, kojo_audit;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE mes.sensor, mes.equipment, mes.line")
    op.execute("REVOKE ALL ON SCHEMA mes FROM kojo_app, kojo_read, kojo_audit")
