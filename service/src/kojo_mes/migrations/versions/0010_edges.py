"""How far a device's clock may be off, and what is done then; what came of each device's readings."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

UP = """
-- NULL: the plant's default, a setting (KOJO_MES_READING_SKEW_…). Bounds: readings/clocks.py.
ALTER TABLE mes.device
    ADD skew_policy text CHECK (skew_policy IN ('refuse', 'flag')),
    ADD skew_ahead double precision CHECK (skew_ahead BETWEEN 0 AND 3600),
    ADD skew_behind double precision CHECK (skew_behind BETWEEN 1 AND 27 * 86400);
GRANT SELECT (skew_policy, skew_ahead, skew_behind) ON mes.device TO kojo_audit;
GRANT SELECT (id, name) ON mes.device TO kojo_read;

-- Of devices and of the settings' keys. Several rows each, as in mes.line_total; their sum counts.
CREATE TABLE mes.device_total (
    device_id text NOT NULL,
    slot smallint NOT NULL,
    received bigint NOT NULL,
    duplicates bigint NOT NULL,
    late bigint NOT NULL,
    skewed bigint NOT NULL,
    bad bigint NOT NULL,
    last_received_at timestamptz NOT NULL,
    PRIMARY KEY (device_id, slot)
);
GRANT SELECT, INSERT, UPDATE ON mes.device_total TO kojo_app;
GRANT SELECT ON mes.device_total TO kojo_read, kojo_audit;
"""
DOWN = """
DROP TABLE mes.device_total;
REVOKE SELECT (id, name) ON mes.device FROM kojo_read;
ALTER TABLE mes.device DROP COLUMN skew_policy, DROP COLUMN skew_ahead, DROP COLUMN skew_behind;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
