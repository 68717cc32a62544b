"""Line states and counts that are derived from readings, and the shifts of the plant's page."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"

SOURCES = """
-- record: somebody or a device said so by the API; signals: derived from readings (signals/service.py)
ALTER TABLE mes.line_state ADD source text NOT NULL DEFAULT 'record' CHECK (source IN ('record', 'signals'));
ALTER TABLE mes.line_state_superseded
    ADD source text NOT NULL DEFAULT 'record' CHECK (source IN ('record', 'signals'));
ALTER TABLE mes.production_count ADD source text NOT NULL DEFAULT 'record' CHECK (source IN ('record', 'signals'));
-- none: several states, as late readings have them
ALTER TABLE mes.line_state_reclassification ALTER COLUMN state DROP NOT NULL;

CREATE OR REPLACE FUNCTION mes.keep_superseded_line_state() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO mes.line_state_superseded
    VALUES (OLD.id,
            (SELECT id FROM mes.line_state_reclassification
             WHERE line_id = OLD.line_id AND reclassified_at = transaction_timestamp()),
            OLD.line_id, OLD.state, OLD.reason, OLD.product_id, OLD.started_at, OLD.ended_at, OLD.recorded_by,
            OLD.recorded_at, OLD.source);
    RETURN NULL;
END $$;
-- the product that was set up last
CREATE INDEX line_state_set_up ON mes.line_state (line_id, started_at)
    WHERE source = 'record' AND product_id IS NOT NULL;

-- What somebody counted stays. What signals counted may be counted again, and the database keeps what it was.
CREATE TABLE mes.production_count_superseded (
    id text PRIMARY KEY,
    line_id text NOT NULL,
    product_id text NOT NULL,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    good integer NOT NULL,
    scrap integer NOT NULL,
    rework integer NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL,
    version integer NOT NULL,
    superseded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX production_count_superseded_time ON mes.production_count_superseded (line_id, from_time);
CREATE FUNCTION mes.keep_superseded_count() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.source <> 'signals' THEN
        RAISE EXCEPTION 'count % is on record; correct it', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    INSERT INTO mes.production_count_superseded
    VALUES (OLD.id, OLD.line_id, OLD.product_id, OLD.from_time, OLD.to_time, OLD.good, OLD.scrap, OLD.rework,
            OLD.recorded_by, OLD.recorded_at, OLD.version);
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION mes.keep_superseded_count FROM PUBLIC;
CREATE TRIGGER keep_superseded AFTER DELETE ON mes.production_count
    FOR EACH ROW EXECUTE FUNCTION mes.keep_superseded_count();
GRANT SELECT ON mes.production_count_superseded TO kojo_app, kojo_read, kojo_audit;
GRANT DELETE, UPDATE (source) ON mes.production_count TO kojo_app;
"""

SIGNALS = """
-- A counter that is a total begins at 0 again after this number.
ALTER TABLE mes.equipment ADD counter_limit bigint CHECK (counter_limit > 0);

-- Up to when a line's states are derived.
CREATE TABLE mes.line_signal (
    line_id text PRIMARY KEY REFERENCES mes.line,
    reached timestamptz NOT NULL
);
-- Times of which something came: readings in their own transaction, records, shifts. Rows are added and taken, never
-- changed by two; without a foreign key, so that batches of a line don't meet at its row.
CREATE TABLE mes.signal_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    line_id text NOT NULL,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    CHECK (from_time <= to_time)
);
CREATE INDEX signal_change_line ON mes.signal_change (line_id, from_time);
GRANT SELECT, INSERT, UPDATE ON mes.line_signal TO kojo_app;
GRANT SELECT, INSERT, DELETE, UPDATE (from_time) ON mes.signal_change TO kojo_app;
GRANT SELECT ON mes.line_signal, mes.signal_change TO kojo_read, kojo_audit;
"""

PAGE_SHIFTS = """
-- A pattern of the plant's page has no last day while it is on the page; its shifts are made ahead, up to planned_to.
ALTER TABLE mes.shift_pattern
    ADD source text NOT NULL DEFAULT 'person' CHECK (source IN ('plant page', 'person')),
    ADD planned_to date,
    ALTER COLUMN last_day DROP NOT NULL,
    ADD CONSTRAINT shift_pattern_ends CHECK (last_day IS NOT NULL OR source = 'plant page');
GRANT UPDATE (planned_to) ON mes.shift_pattern TO kojo_app;
"""

DOWN = """
-- the audit rows of what is changed here are written now: a table with some to come can't be altered
SET CONSTRAINTS ALL IMMEDIATE;
UPDATE mes.shift_pattern SET last_day = greatest(first_day, coalesce(planned_to, first_day)) WHERE last_day IS NULL;
ALTER TABLE mes.shift_pattern
    DROP CONSTRAINT shift_pattern_ends, DROP COLUMN source, DROP COLUMN planned_to, ALTER COLUMN last_day SET NOT NULL;
DROP TABLE mes.signal_change, mes.line_signal;
ALTER TABLE mes.equipment DROP COLUMN counter_limit;
REVOKE DELETE ON mes.production_count FROM kojo_app;
DROP TRIGGER keep_superseded ON mes.production_count;
DROP FUNCTION mes.keep_superseded_count();
DROP TABLE mes.production_count_superseded;
ALTER TABLE mes.production_count DROP COLUMN source;
ALTER TABLE mes.line_state_superseded DROP COLUMN source;
DROP INDEX mes.line_state_set_up;
ALTER TABLE mes.line_state DROP COLUMN source;
UPDATE mes.line_state_reclassification SET state = 'unknown' WHERE state IS NULL;
ALTER TABLE mes.line_state_reclassification ALTER COLUMN state SET NOT NULL;
CREATE OR REPLACE FUNCTION mes.keep_superseded_line_state() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO mes.line_state_superseded
    VALUES (OLD.id,
            (SELECT id FROM mes.line_state_reclassification
             WHERE line_id = OLD.line_id AND reclassified_at = transaction_timestamp()),
            OLD.line_id, OLD.state, OLD.reason, OLD.product_id, OLD.started_at, OLD.ended_at, OLD.recorded_by,
            OLD.recorded_at);
    RETURN NULL;
END $$;
"""


def upgrade() -> None:
    for step in (SOURCES, SIGNALS, PAGE_SHIFTS):
        op.execute(step)


def downgrade() -> None:
    op.execute(DOWN)
