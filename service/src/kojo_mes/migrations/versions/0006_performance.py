"""ISA-95 hierarchy, shift calendar, products, line states, production counts, stored OEE, sources of readings."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

HIERARCHY = """
-- an EXCLUDE over a line's text id and a range of time needs it; trusted: a database's owner may make it
CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA mes;

CREATE TABLE mes.site (
    id text PRIMARY KEY,
    only_one boolean NOT NULL DEFAULT true UNIQUE CHECK (only_one),
    enterprise text,
    name jsonb NOT NULL,
    timezone text NOT NULL
);
CREATE TABLE mes.area (
    id text PRIMARY KEY,
    name jsonb NOT NULL,
    position integer NOT NULL,
    retired_at timestamptz
);
CREATE TABLE mes.work_cell (
    id text PRIMARY KEY,
    line_id text NOT NULL REFERENCES mes.line,
    name jsonb NOT NULL,
    position integer NOT NULL,
    retired_at timestamptz,
    UNIQUE (id, line_id)
);
ALTER TABLE mes.line
    ADD area_id text REFERENCES mes.area,
    ADD micro_stop_limit double precision NOT NULL DEFAULT 0 CHECK (micro_stop_limit BETWEEN 0 AND 3600);
-- a cell's equipment is its own line's
ALTER TABLE mes.equipment
    ADD work_cell_id text,
    ADD CONSTRAINT equipment_work_cell FOREIGN KEY (work_cell_id, line_id) REFERENCES mes.work_cell (id, line_id)
        DEFERRABLE INITIALLY DEFERRED;
"""

PRODUCTS = """
CREATE TABLE mes.product (
    id text PRIMARY KEY,
    name jsonb NOT NULL,
    version integer NOT NULL DEFAULT 1
);
-- One time a line and product is in force at any moment; without `valid_from` it always was.
CREATE TABLE mes.ideal_cycle_time (
    id text PRIMARY KEY,
    line_id text NOT NULL REFERENCES mes.line,
    product_id text NOT NULL REFERENCES mes.product,
    seconds numeric(12, 6) NOT NULL CHECK (seconds > 0),
    valid_from timestamptz,
    valid_to timestamptz,
    source text NOT NULL CHECK (source IN ('plant page', 'person')),
    reason text NOT NULL CHECK (reason <> ''),
    CHECK (valid_from < valid_to),
    EXCLUDE USING gist (line_id WITH =, product_id WITH =, tstzrange(valid_from, valid_to) WITH &&)
);
"""

SHIFTS = """
CREATE TABLE mes.shift_pattern (
    id text PRIMARY KEY,
    line_id text NOT NULL REFERENCES mes.line,
    name text NOT NULL CHECK (name <> ''),
    weekdays smallint[] NOT NULL CHECK (cardinality(weekdays) > 0 AND weekdays <@ '{1,2,3,4,5,6,7}'),
    starts time NOT NULL,
    ends time NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    CHECK (first_day <= last_day)
);
CREATE TABLE mes.shift_closure (
    id text PRIMARY KEY,
    line_id text NOT NULL REFERENCES mes.line,
    first_day date NOT NULL,
    last_day date NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    CHECK (first_day <= last_day),
    EXCLUDE USING gist (line_id WITH =, daterange(first_day, last_day, '[]') WITH &&)
);
CREATE TABLE mes.shift (
    id text PRIMARY KEY,
    line_id text NOT NULL REFERENCES mes.line,
    name text NOT NULL CHECK (name <> ''),
    day date NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    pattern_id text REFERENCES mes.shift_pattern,
    exception text,
    cancelled boolean NOT NULL DEFAULT false,
    version integer NOT NULL DEFAULT 1,
    CHECK (starts_at < ends_at AND ends_at <= starts_at + interval '24 hours'),
    CONSTRAINT shift_exception_reason CHECK (pattern_id IS NOT NULL AND NOT cancelled OR exception <> ''),
    CONSTRAINT shift_overlap EXCLUDE USING gist (line_id WITH =, tstzrange(starts_at, ends_at) WITH &&)
        WHERE (NOT cancelled)
);
CREATE INDEX shift_time ON mes.shift (line_id, starts_at);
"""

STATES = """
CREATE TABLE mes.state_reason (
    state text NOT NULL CHECK (state IN ('running', 'planned_stop', 'unplanned_stop', 'changeover', 'no_shift',
                                         'unknown')),
    code text NOT NULL CHECK (code ~ '^[a-z0-9]+(_[a-z0-9]+)*$'),
    name jsonb NOT NULL,
    PRIMARY KEY (state, code)
);
INSERT INTO mes.state_reason VALUES
    ('planned_stop', 'break', '{"ja": "休憩", "en": "Break"}'),
    ('planned_stop', 'maintenance', '{"ja": "計画保全", "en": "Planned maintenance"}'),
    ('planned_stop', 'meeting', '{"ja": "会議", "en": "Meeting"}'),
    ('planned_stop', 'no_order', '{"ja": "受注なし", "en": "No order"}'),
    ('unplanned_stop', 'unclassified', '{"ja": "未分類", "en": "Not classified yet"}'),
    ('unplanned_stop', 'breakdown', '{"ja": "故障", "en": "Breakdown"}'),
    ('unplanned_stop', 'jam', '{"ja": "詰まり", "en": "Jam"}'),
    ('unplanned_stop', 'material', '{"ja": "材料待ち", "en": "Waiting for material"}'),
    ('unplanned_stop', 'personnel', '{"ja": "人員待ち", "en": "Waiting for personnel"}'),
    ('unplanned_stop', 'quality', '{"ja": "品質異常", "en": "Quality problem"}'),
    ('unplanned_stop', 'utilities', '{"ja": "用役異常", "en": "Power, air or water"}'),
    ('changeover', 'product', '{"ja": "品種切替", "en": "Change of product"}'),
    ('changeover', 'tool', '{"ja": "型交換", "en": "Change of tool"}');

-- A line's time line is a chain: all but a line's first row begin exactly where another one ends, and each end has one
-- successor at most. As every row ends after it begins, that leaves neither a gap nor an overlap, whoever writes.
CREATE TABLE mes.line_state (
    id text PRIMARY KEY,
    line_id text NOT NULL REFERENCES mes.line,
    state text NOT NULL CHECK (state IN ('running', 'planned_stop', 'unplanned_stop', 'changeover', 'no_shift',
                                         'unknown')),
    reason text,
    product_id text REFERENCES mes.product,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    previous_ended_at timestamptz,
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CHECK (started_at < ended_at),
    CONSTRAINT line_state_reason CHECK (
        CASE WHEN state IN ('planned_stop', 'unplanned_stop', 'changeover') THEN reason IS NOT NULL
             ELSE reason IS NULL END),
    CONSTRAINT line_state_product CHECK (state <> 'running' OR product_id IS NOT NULL),
    FOREIGN KEY (state, reason) REFERENCES mes.state_reason,
    UNIQUE (line_id, started_at),
    UNIQUE (line_id, ended_at),
    UNIQUE (line_id, previous_ended_at),
    CONSTRAINT line_state_no_gap CHECK (previous_ended_at = started_at),
    CONSTRAINT line_state_follows FOREIGN KEY (line_id, previous_ended_at) REFERENCES mes.line_state (line_id, ended_at)
        DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX line_state_one_first ON mes.line_state (line_id) WHERE previous_ended_at IS NULL;
CREATE UNIQUE INDEX line_state_one_present ON mes.line_state (line_id) WHERE ended_at IS NULL;

CREATE TABLE mes.line_state_reclassification (
    id text PRIMARY KEY,
    line_id text NOT NULL REFERENCES mes.line,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    state text NOT NULL,
    reason text,
    product_id text REFERENCES mes.product,
    explanation text NOT NULL CHECK (explanation <> ''),
    reclassified_by text NOT NULL,
    reclassified_at timestamptz NOT NULL DEFAULT now(),
    CHECK (from_time < to_time),
    UNIQUE (line_id, reclassified_at)
);
CREATE TABLE mes.line_state_superseded (
    id text PRIMARY KEY,
    reclassification_id text NOT NULL REFERENCES mes.line_state_reclassification,
    line_id text NOT NULL,
    state text NOT NULL,
    reason text,
    product_id text,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX line_state_superseded_time ON mes.line_state_superseded (line_id, started_at);

-- What is taken out of the time line is kept, and not without a reclassification that says why in the same transaction.
CREATE FUNCTION mes.keep_superseded_line_state() RETURNS trigger
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
REVOKE ALL ON FUNCTION mes.keep_superseded_line_state FROM PUBLIC;
CREATE TRIGGER keep_superseded AFTER DELETE ON mes.line_state
    FOR EACH ROW EXECUTE FUNCTION mes.keep_superseded_line_state();

-- A state that has ended is changed by reclassification only.
CREATE FUNCTION mes.refuse_line_state_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'line state % has ended; reclassify it', OLD.id USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER only_the_present_ends BEFORE UPDATE ON mes.line_state
    FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION mes.refuse_line_state_change();
"""

COUNTS = """
CREATE TABLE mes.production_count (
    id text PRIMARY KEY,
    line_id text NOT NULL REFERENCES mes.line,
    product_id text NOT NULL REFERENCES mes.product,
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    good integer NOT NULL CHECK (good >= 0),
    scrap integer NOT NULL CHECK (scrap >= 0),
    rework integer NOT NULL CHECK (rework >= 0),
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    version integer NOT NULL DEFAULT 1,
    CHECK (from_time < to_time AND to_time <= from_time + interval '24 hours'),
    CONSTRAINT production_count_once
        EXCLUDE USING gist (line_id WITH =, product_id WITH =, tstzrange(from_time, to_time) WITH &&)
);
CREATE INDEX production_count_time ON mes.production_count (line_id, from_time);
"""

OEE = """
CREATE TABLE mes.oee_rollup (
    shift_id text NOT NULL REFERENCES mes.shift,
    product_id text REFERENCES mes.product,
    status text NOT NULL CHECK (status IN ('computed', 'refused')),
    planned_busy_time interval,
    actual_production_time interval,
    ideal_production_time interval,
    good bigint,
    scrap bigint,
    rework bigint,
    availability double precision CHECK (availability BETWEEN 0 AND 1),
    effectiveness double precision CHECK (effectiveness >= 0),
    quality_ratio double precision CHECK (quality_ratio BETWEEN 0 AND 1),
    oee double precision CHECK (oee >= 0),
    micro_stop_limit double precision NOT NULL,
    micro_stops integer,
    micro_stop_time interval,
    missing jsonb NOT NULL,
    findings jsonb NOT NULL,
    stale boolean NOT NULL DEFAULT false,
    computed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (shift_id, product_id),
    -- a figure has all its inputs, and a refusal names what is missing
    CHECK (CASE status WHEN 'computed' THEN jsonb_array_length(missing) = 0 AND num_nulls(planned_busy_time,
        actual_production_time, ideal_production_time, good, scrap, rework, availability, oee, micro_stops,
        micro_stop_time) = 0 ELSE jsonb_array_length(missing) > 0 AND oee IS NULL END)
);
CREATE INDEX oee_rollup_stale ON mes.oee_rollup (shift_id) WHERE stale;
"""

SOURCES = """
CREATE TABLE mes.reading_source (
    actor_id text NOT NULL,
    source text NOT NULL,
    last bigint,
    missing jsonb NOT NULL DEFAULT '[]',
    received bigint NOT NULL DEFAULT 0,
    duplicates bigint NOT NULL DEFAULT 0,
    out_of_order bigint NOT NULL DEFAULT 0,
    lost bigint NOT NULL DEFAULT 0,
    last_received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor_id, source)
);
CREATE INDEX reading_source_last_received_at ON mes.reading_source (last_received_at);
GRANT SELECT, INSERT, UPDATE ON mes.reading_source TO kojo_app;
GRANT SELECT ON mes.reading_source TO kojo_read, kojo_audit;
"""

GRANTS = """
GRANT SELECT ON mes.site, mes.area, mes.work_cell, mes.product, mes.ideal_cycle_time, mes.shift_pattern,
    mes.shift_closure, mes.shift, mes.state_reason, mes.line_state, mes.line_state_reclassification,
    mes.line_state_superseded, mes.production_count, mes.oee_rollup TO kojo_app, kojo_read, kojo_audit;
GRANT INSERT ON mes.product, mes.ideal_cycle_time, mes.shift_pattern, mes.shift_closure, mes.shift, mes.state_reason,
    mes.line_state, mes.line_state_reclassification, mes.production_count, mes.oee_rollup TO kojo_app;
GRANT UPDATE (name, version) ON mes.product TO kojo_app;
GRANT UPDATE (valid_to) ON mes.ideal_cycle_time TO kojo_app;
GRANT UPDATE (starts_at, ends_at, exception, cancelled, version) ON mes.shift TO kojo_app;
GRANT UPDATE (ended_at), DELETE ON mes.line_state TO kojo_app;
GRANT UPDATE (good, scrap, rework, version) ON mes.production_count TO kojo_app;
GRANT UPDATE, DELETE ON mes.oee_rollup TO kojo_app;
"""

# what a figure is made of; the figures themselves can be computed again
RECORDS = (
    "product",
    "ideal_cycle_time",
    "shift_pattern",
    "shift_closure",
    "shift",
    "state_reason",
    "line_state",
    "line_state_reclassification",
    "production_count",
)

DOWN = """
DROP TABLE mes.reading_source, mes.oee_rollup, mes.production_count, mes.line_state_superseded,
    mes.line_state_reclassification, mes.line_state, mes.state_reason, mes.shift, mes.shift_closure,
    mes.shift_pattern, mes.ideal_cycle_time, mes.product;
DROP FUNCTION mes.keep_superseded_line_state(), mes.refuse_line_state_change();
ALTER TABLE mes.equipment DROP COLUMN work_cell_id;
ALTER TABLE mes.line DROP COLUMN area_id, DROP COLUMN micro_stop_limit;
DROP TABLE mes.work_cell, mes.area, mes.site;
DROP EXTENSION btree_gist;
"""


def upgrade() -> None:
    for step in (HIERARCHY, PRODUCTS, SHIFTS, STATES, COUNTS, OEE, SOURCES, GRANTS):
        op.execute(step)
    for table in RECORDS:
        op.execute(f"SELECT mes.audit_table('mes.{table}')")


def downgrade() -> None:
    op.execute(DOWN)
