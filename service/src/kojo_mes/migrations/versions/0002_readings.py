"""Readings, partitioned by month; idempotency keys; running totals; the probe that readiness writes."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

UP = """
CREATE TABLE mes.reading (
    sensor_id integer NOT NULL REFERENCES mes.sensor,
    time timestamptz NOT NULL,
    value double precision NOT NULL
        CHECK (value > '-Infinity'::double precision AND value < 'Infinity'::double precision),
    quality text NOT NULL CHECK (quality IN ('good', 'uncertain', 'bad')),
    received_at timestamptz NOT NULL,
    PRIMARY KEY (sensor_id, time)
) PARTITION BY RANGE (time);

-- The application may not create tables; it may have these made ahead.
CREATE FUNCTION mes.make_reading_partitions(months_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' AS $$
DECLARE
    first_day timestamptz;
    partition text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('mes.make_reading_partitions', 0));
    FOR month IN -1..months_ahead LOOP
        first_day := date_trunc('month', now()) + make_interval(months => month);
        partition := 'reading_' || to_char(first_day, 'YYYY_MM');
        IF to_regclass('mes.' || partition) IS NULL THEN
            EXECUTE format('CREATE TABLE mes.%I PARTITION OF mes.reading FOR VALUES FROM (%L) TO (%L)',
                           partition, first_day, first_day + interval '1 month');
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION mes.make_reading_partitions FROM PUBLIC;

CREATE TABLE mes.idempotency_key (
    client text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    response jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    asked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (client, key)
);
CREATE INDEX idempotency_key_created_at ON mes.idempotency_key (created_at);

-- Several rows a line, so that concurrent batches don't wait for each other; their sum counts.
CREATE TABLE mes.line_total (
    line_id text NOT NULL REFERENCES mes.line,
    slot smallint NOT NULL,
    received bigint NOT NULL,
    duplicates bigint NOT NULL,
    late bigint NOT NULL,
    bad bigint NOT NULL,
    quality_passed bigint NOT NULL,
    quality_failed bigint NOT NULL,
    last_received_at timestamptz NOT NULL,
    PRIMARY KEY (line_id, slot)
);

CREATE TABLE mes.write_probe (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    written_at timestamptz NOT NULL
);
INSERT INTO mes.write_probe (written_at) VALUES (now());

GRANT SELECT, INSERT ON mes.reading TO kojo_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON mes.idempotency_key TO kojo_app;
GRANT SELECT, INSERT, UPDATE ON mes.line_total TO kojo_app;
GRANT SELECT, UPDATE ON mes.write_probe TO kojo_app;
GRANT EXECUTE ON FUNCTION mes.make_reading_partitions TO kojo_app;
GRANT SELECT ON mes.reading, mes.line_total TO kojo_read, kojo_audit;
"""
# a batch is staged in a temporary table; a hardened database lets nobody make one
STAGING = "DO $$ BEGIN EXECUTE format('{} TEMPORARY ON DATABASE %I {} kojo_app', current_database()); END $$"


def upgrade() -> None:
    op.execute(UP)
    op.execute(STAGING.format("GRANT", "TO"))


def downgrade() -> None:
    op.execute(STAGING.format("REVOKE", "FROM"))
    op.execute(
        "DROP TABLE mes.write_probe, mes.line_total, mes.idempotency_key, mes.reading;"
        "DROP FUNCTION mes.make_reading_partitions(integer)"
    )
