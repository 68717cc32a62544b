"""Gauges, characteristics and specifications, checks and control charts, nonconformances and holds, CAPA."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

GAUGES = """
CREATE TABLE mes.gauge (
    id text PRIMARY KEY,
    name text NOT NULL CHECK (btrim(name) <> ''),
    serial_number text NOT NULL CHECK (btrim(serial_number) <> ''),
    unit text NOT NULL CHECK (btrim(unit) <> ''),
    calibration_interval interval NOT NULL CHECK (calibration_interval > interval '0'),
    retired_at timestamptz,
    version integer NOT NULL DEFAULT 1 CHECK (version > 0)
);
-- `valid` is when the gauge may be used by this calibration: never, if it was left out of tolerance.
CREATE TABLE mes.calibration (
    id text PRIMARY KEY,
    gauge_id text NOT NULL REFERENCES mes.gauge,
    calibrated_at timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    as_found text NOT NULL CHECK (as_found IN ('in-tolerance', 'out-of-tolerance')),
    as_left text NOT NULL CHECK (as_left IN ('in-tolerance', 'out-of-tolerance')),
    certificate text NOT NULL CHECK (btrim(certificate) <> ''),
    reference_standard text NOT NULL CHECK (btrim(reference_standard) <> ''),
    performed_by text NOT NULL CHECK (btrim(performed_by) <> ''),
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    valid tstzrange NOT NULL GENERATED ALWAYS AS (
        CASE WHEN as_left = 'in-tolerance' THEN tstzrange(calibrated_at, valid_until) ELSE tstzrange('empty') END
    ) STORED,
    CHECK (calibrated_at < valid_until),
    CHECK (calibrated_at <= recorded_at),
    UNIQUE (gauge_id, calibrated_at),
    UNIQUE (id, gauge_id, valid)
);
"""

CHARACTERISTICS = """
CREATE TABLE mes.characteristic (
    id text PRIMARY KEY,
    product_id text NOT NULL REFERENCES mes.product,
    kind text NOT NULL CHECK (kind IN ('variable', 'attribute')),
    name jsonb NOT NULL,
    retired_at timestamptz,
    version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    UNIQUE (id, kind, product_id),
    UNIQUE (id, kind)
);
-- A version is effective from `effective_from` until another's begins: two can't begin at once, so that one is
-- effective at any instant. Only approval sets `effective_from`, and checks refer to it: no approval, no use.
CREATE TABLE mes.specification (
    characteristic_id text NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    kind text NOT NULL,
    unit text,
    lower_limit double precision,
    target double precision,
    upper_limit double precision,
    acceptance_number integer CHECK (acceptance_number >= 0),
    wanted_from timestamptz NOT NULL,
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    drafted_by text NOT NULL,
    drafted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    effective_from timestamptz,
    approved_by text,
    approved_role text,
    signed_type text NOT NULL GENERATED ALWAYS AS ('specification') STORED,
    signed_id text NOT NULL GENERATED ALWAYS AS (characteristic_id || '/' || version) STORED,
    signed_meaning text NOT NULL GENERATED ALWAYS AS ('approval') STORED,
    PRIMARY KEY (characteristic_id, version),
    FOREIGN KEY (characteristic_id, kind) REFERENCES mes.characteristic (id, kind),
    CONSTRAINT specification_of_its_kind CHECK (CASE kind
        WHEN 'variable' THEN unit IS NOT NULL AND btrim(unit) <> '' AND acceptance_number IS NULL
            AND num_nonnulls(lower_limit, upper_limit) > 0
        ELSE acceptance_number IS NOT NULL AND num_nonnulls(unit, lower_limit, target, upper_limit) = 0 END),
    CONSTRAINT specification_in_order CHECK (
        lower_limit < upper_limit AND lower_limit > '-Infinity' AND upper_limit < 'Infinity'
        AND target BETWEEN lower_limit AND upper_limit),
    CONSTRAINT specification_one_effective UNIQUE (characteristic_id, effective_from),
    CONSTRAINT specification_approval_is_whole CHECK (
        num_nulls(effective_from, approved_by, approved_role) IN (0, 3) AND effective_from >= wanted_from),
    CONSTRAINT specification_approved_by_another CHECK (approved_by <> drafted_by),
    CONSTRAINT specification_approver CHECK (approved_role = 'quality_manager'),
    CONSTRAINT specification_approval_is_signed
        FOREIGN KEY (signed_type, signed_id, version, signed_meaning, approved_by, approved_role)
        REFERENCES mes.signature (record_type, record_id, record_version, meaning, signer_id, role),
    UNIQUE (characteristic_id, version, effective_from)
);
CREATE FUNCTION mes.specification_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- what approval sets, and what is generated later than this trigger
    approval text[] := '{effective_from,approved_by,approved_role,signed_type,signed_id,signed_meaning}';
BEGIN
    IF OLD.effective_from IS NOT NULL OR to_jsonb(NEW) - approval IS DISTINCT FROM to_jsonb(OLD) - approval THEN
        RAISE EXCEPTION 'specification %/% is fixed; draft another version', OLD.characteristic_id, OLD.version
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fixed BEFORE UPDATE ON mes.specification
    FOR EACH ROW EXECUTE FUNCTION mes.specification_is_fixed();
"""

CHARTS = """
CREATE TABLE mes.control_chart (
    id text PRIMARY KEY,
    characteristic_id text NOT NULL,
    characteristic_kind text NOT NULL,
    line_id text NOT NULL REFERENCES mes.line,
    kind text NOT NULL CHECK (kind IN ('xbar-r', 'individuals-mr', 'p')),
    subgroup_size integer NOT NULL,
    rule_set text NOT NULL CHECK (rule_set IN ('western-electric', 'nelson')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (characteristic_id, characteristic_kind) REFERENCES mes.characteristic (id, kind),
    CONSTRAINT control_chart_once UNIQUE (characteristic_id, line_id),
    UNIQUE (id, characteristic_id, line_id),
    CONSTRAINT control_chart_of_its_kind CHECK (CASE kind
        WHEN 'xbar-r' THEN characteristic_kind = 'variable' AND subgroup_size BETWEEN 2 AND 25
        WHEN 'individuals-mr' THEN characteristic_kind = 'variable' AND subgroup_size = 1
        ELSE characteristic_kind = 'attribute' AND subgroup_size > 0 END)
);
-- Frozen: another decision is another version.
CREATE TABLE mes.control_limits (
    chart_id text NOT NULL REFERENCES mes.control_chart,
    version integer NOT NULL CHECK (version > 0),
    centre double precision NOT NULL CHECK (centre > '-Infinity' AND centre < 'Infinity'),
    mean_range double precision CHECK (mean_range > 0 AND mean_range < 'Infinity'),
    baseline_name text CHECK (btrim(baseline_name) <> ''),
    baseline_from timestamptz,
    baseline_to timestamptz,
    baseline_checks integer CHECK (baseline_checks > 0),
    excluded jsonb NOT NULL DEFAULT '[]',
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (chart_id, version),
    CHECK (num_nulls(baseline_name, baseline_from, baseline_to, baseline_checks) IN (0, 4)),
    CHECK (baseline_from < baseline_to)
);
"""

CHECKS = """
CREATE TABLE mes.quality_check (
    id text PRIMARY KEY,
    characteristic_id text NOT NULL,
    kind text NOT NULL,
    product_id text NOT NULL,
    line_id text NOT NULL REFERENCES mes.line,
    lot_id text CHECK (btrim(lot_id) <> ''),
    serial text CHECK (btrim(serial) <> ''),
    specification_version integer NOT NULL,
    effective_from timestamptz NOT NULL,
    gauge_id text,
    calibration_id text,
    calibration_valid tstzrange,
    chart_id text,
    limits_version integer,
    values double precision[] NOT NULL DEFAULT '{}',
    sample_size integer NOT NULL CHECK (sample_size > 0),
    nonconforming integer NOT NULL,
    conforming boolean NOT NULL,
    measured_at timestamptz NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (characteristic_id, kind, product_id) REFERENCES mes.characteristic (id, kind, product_id),
    CONSTRAINT quality_check_by_an_approved_specification
        FOREIGN KEY (characteristic_id, specification_version, effective_from)
        REFERENCES mes.specification (characteristic_id, version, effective_from),
    CONSTRAINT quality_check_after_the_specification CHECK (measured_at >= effective_from),
    FOREIGN KEY (calibration_id, gauge_id, calibration_valid) REFERENCES mes.calibration (id, gauge_id, valid),
    CONSTRAINT quality_check_by_a_calibrated_gauge CHECK (
        num_nulls(gauge_id, calibration_id, calibration_valid) IN (0, 3) AND measured_at <@ calibration_valid),
    FOREIGN KEY (chart_id, characteristic_id, line_id) REFERENCES mes.control_chart (id, characteristic_id, line_id),
    FOREIGN KEY (chart_id, limits_version) REFERENCES mes.control_limits,
    CHECK (limits_version IS NULL OR chart_id IS NOT NULL),
    CONSTRAINT quality_check_of_its_kind CHECK (CASE kind
        WHEN 'variable' THEN cardinality(values) = sample_size AND gauge_id IS NOT NULL
            AND '-Infinity' < ALL (values) AND 'Infinity' > ALL (values)
        ELSE cardinality(values) = 0 END),
    CHECK (nonconforming BETWEEN 0 AND sample_size)
);
CREATE INDEX quality_check_chart ON mes.quality_check (chart_id, measured_at, id);
CREATE INDEX quality_check_characteristic ON mes.quality_check (characteristic_id, id);
CREATE INDEX quality_check_lot ON mes.quality_check (lot_id) WHERE lot_id IS NOT NULL;
CREATE INDEX quality_check_calibration ON mes.quality_check (calibration_id);

-- Several rows a line, as in mes.line_total: the exporter adds them up, and seven years of checks aren't counted.
CREATE TABLE mes.quality_check_total (
    line_id text NOT NULL REFERENCES mes.line,
    slot smallint NOT NULL,
    passed bigint NOT NULL,
    failed bigint NOT NULL,
    PRIMARY KEY (line_id, slot)
);
"""

NONCONFORMANCES = """
CREATE TABLE mes.nonconformance (
    id text PRIMARY KEY,
    version integer NOT NULL CHECK (version > 0),
    state text NOT NULL CHECK (state IN ('open', 'under_review', 'dispositioned', 'closed')),
    source text NOT NULL CHECK (source IN ('signal', 'report')),
    description text NOT NULL CHECK (btrim(description) <> ''),
    line_id text NOT NULL REFERENCES mes.line,
    product_id text NOT NULL REFERENCES mes.product,
    lot_id text CHECK (btrim(lot_id) <> ''),
    serial text CHECK (btrim(serial) <> ''),
    characteristic_id text REFERENCES mes.characteristic,
    opened_by text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    disposition_version integer,
    disposition text,
    verification_check_id text REFERENCES mes.quality_check,
    closing_note text CHECK (btrim(closing_note) <> ''),
    closed_by text,
    closed_at timestamptz,
    CONSTRAINT nonconformance_disposition_is_whole CHECK (
        num_nonnulls(disposition_version, disposition)
        = CASE WHEN state IN ('dispositioned', 'closed') THEN 2 ELSE 0 END),
    CONSTRAINT nonconformance_closure_is_whole CHECK (
        num_nonnulls(closing_note, closed_by, closed_at) = CASE state WHEN 'closed' THEN 3 ELSE 0 END),
    -- ISO 9001 8.7.1: what was corrected is verified
    CONSTRAINT nonconformance_rework_is_verified CHECK (
        state <> 'closed' OR disposition <> 'rework' OR verification_check_id IS NOT NULL),
    CONSTRAINT nonconformance_signal_has_characteristic CHECK (source <> 'signal' OR characteristic_id IS NOT NULL)
);
CREATE INDEX nonconformance_state ON mes.nonconformance (state, id);
CREATE INDEX nonconformance_lot ON mes.nonconformance (lot_id) WHERE lot_id IS NOT NULL;
-- `version` is the nonconformance's, as it was signed.
CREATE TABLE mes.disposition (
    nonconformance_id text NOT NULL REFERENCES mes.nonconformance,
    version integer NOT NULL CHECK (version > 0),
    disposition text NOT NULL CHECK (disposition IN ('use-as-is', 'rework', 'scrap', 'return')),
    justification text NOT NULL CHECK (btrim(justification) <> ''),
    concession text CHECK (btrim(concession) <> ''),
    decided_by text NOT NULL,
    decided_role text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    signed_type text NOT NULL GENERATED ALWAYS AS ('nonconformance') STORED,
    signed_meaning text NOT NULL GENERATED ALWAYS AS ('disposition') STORED,
    PRIMARY KEY (nonconformance_id, version),
    UNIQUE (nonconformance_id, version, disposition),
    CONSTRAINT disposition_authority CHECK (
        decided_role = 'quality_manager'
        OR decided_role = 'manufacturing_lead' AND disposition IN ('rework', 'scrap')),
    CONSTRAINT disposition_by_concession CHECK ((concession IS NOT NULL) = (disposition = 'use-as-is')),
    CONSTRAINT disposition_is_signed
        FOREIGN KEY (signed_type, nonconformance_id, version, signed_meaning, decided_by, decided_role)
        REFERENCES mes.signature (record_type, record_id, record_version, meaning, signer_id, role)
);
ALTER TABLE mes.nonconformance ADD CONSTRAINT nonconformance_is_disposed_of
    FOREIGN KEY (id, disposition_version, disposition)
    REFERENCES mes.disposition (nonconformance_id, version, disposition);

-- The second line behind the service's state machine.
CREATE FUNCTION mes.nonconformance_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'open' OR NEW.version <> 1 THEN
            RAISE EXCEPTION 'a nonconformance begins open' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.id, NEW.source, NEW.description, NEW.line_id, NEW.product_id, NEW.lot_id, NEW.serial,
        NEW.characteristic_id, NEW.opened_by, NEW.opened_at)
       IS DISTINCT FROM (OLD.id, OLD.source, OLD.description, OLD.line_id, OLD.product_id, OLD.lot_id, OLD.serial,
                         OLD.characteristic_id, OLD.opened_by, OLD.opened_at)
       OR NEW.version <> OLD.version + 1 THEN
        RAISE EXCEPTION 'what nonconformance % is about is fixed', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    IF (OLD.state, NEW.state) NOT IN (
        ('open', 'under_review'), ('under_review', 'dispositioned'), ('dispositioned', 'under_review'),
        ('dispositioned', 'closed')
    ) THEN
        RAISE EXCEPTION 'a nonconformance can''t go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves BEFORE INSERT OR UPDATE ON mes.nonconformance
    FOR EACH ROW EXECUTE FUNCTION mes.nonconformance_moves();

-- `limits_version` tells by which limits; a value outside its specification has none.
CREATE TABLE mes.quality_signal (
    check_id text NOT NULL REFERENCES mes.quality_check,
    rule text NOT NULL CHECK (rule <> ''),
    nonconformance_id text NOT NULL REFERENCES mes.nonconformance,
    PRIMARY KEY (check_id, rule)
);
CREATE INDEX quality_signal_nonconformance ON mes.quality_signal (nonconformance_id);

CREATE TABLE mes.hold (
    id text PRIMARY KEY,
    version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    nonconformance_id text REFERENCES mes.nonconformance,
    line_id text NOT NULL REFERENCES mes.line,
    product_id text NOT NULL REFERENCES mes.product,
    lot_id text CHECK (btrim(lot_id) <> ''),
    serial text CHECK (btrim(serial) <> ''),
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    placed_by text NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    released_by text,
    released_at timestamptz,
    release_reason text CHECK (btrim(release_reason) <> ''),
    CONSTRAINT hold_release_is_whole CHECK (num_nulls(released_by, released_at, release_reason) IN (0, 3)),
    CHECK (released_at >= placed_at)
);
CREATE UNIQUE INDEX hold_one_a_nonconformance ON mes.hold (nonconformance_id) WHERE released_at IS NULL;
CREATE INDEX hold_active ON mes.hold (lot_id, serial) WHERE released_at IS NULL;
CREATE FUNCTION mes.hold_is_released_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.released_at IS NOT NULL THEN
        RAISE EXCEPTION 'hold % was released', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF EXISTS (SELECT FROM mes.nonconformance
               WHERE id = OLD.nonconformance_id AND state IN ('open', 'under_review')) THEN
        RAISE EXCEPTION 'the nonconformance of hold % has no disposition', OLD.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER released_once BEFORE UPDATE ON mes.hold FOR EACH ROW EXECUTE FUNCTION mes.hold_is_released_once();
"""

CAPA = """
CREATE TABLE mes.corrective_action (
    id text PRIMARY KEY,
    version integer NOT NULL CHECK (version > 0),
    state text NOT NULL CHECK (state IN ('open', 'implemented', 'verified', 'closed')),
    kind text NOT NULL CHECK (kind IN ('corrective', 'preventive')),
    problem text NOT NULL CHECK (btrim(problem) <> ''),
    root_cause text NOT NULL CHECK (btrim(root_cause) <> ''),
    action text NOT NULL CHECK (btrim(action) <> ''),
    criterion text NOT NULL CHECK (btrim(criterion) <> ''),
    owner text NOT NULL CHECK (btrim(owner) <> ''),
    due_on date NOT NULL,
    opened_by text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    implementation text CHECK (btrim(implementation) <> ''),
    implemented_by text,
    implemented_at timestamptz,
    verification_version integer,
    effective boolean NOT NULL GENERATED ALWAYS AS (true) STORED,
    closing_note text CHECK (btrim(closing_note) <> ''),
    closed_by text,
    closed_at timestamptz,
    CONSTRAINT corrective_action_implementation_is_whole CHECK (
        num_nonnulls(implementation, implemented_by, implemented_at) = CASE state WHEN 'open' THEN 0 ELSE 3 END),
    CONSTRAINT corrective_action_effectiveness_is_verified CHECK (
        (verification_version IS NOT NULL) = (state IN ('verified', 'closed'))),
    CONSTRAINT corrective_action_closure_is_whole CHECK (
        num_nonnulls(closing_note, closed_by, closed_at) = CASE state WHEN 'closed' THEN 3 ELSE 0 END)
);
CREATE INDEX corrective_action_state ON mes.corrective_action (state, id);
CREATE TABLE mes.corrective_action_nonconformance (
    action_id text NOT NULL REFERENCES mes.corrective_action,
    nonconformance_id text NOT NULL REFERENCES mes.nonconformance,
    PRIMARY KEY (action_id, nonconformance_id)
);
-- `version` is the corrective action's that it led to.
CREATE TABLE mes.effectiveness_verification (
    action_id text NOT NULL REFERENCES mes.corrective_action,
    version integer NOT NULL CHECK (version > 0),
    effective boolean NOT NULL,
    evidence text NOT NULL CHECK (btrim(evidence) <> ''),
    implemented_by text NOT NULL,
    verified_by text NOT NULL,
    verified_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (action_id, version),
    UNIQUE (action_id, version, effective),
    CONSTRAINT effectiveness_verified_by_another CHECK (verified_by <> implemented_by)
);
ALTER TABLE mes.corrective_action ADD CONSTRAINT corrective_action_was_effective
    FOREIGN KEY (id, verification_version, effective)
    REFERENCES mes.effectiveness_verification (action_id, version, effective);
CREATE FUNCTION mes.corrective_action_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'open' OR NEW.version <> 1 THEN
            RAISE EXCEPTION 'a corrective action begins open' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.version <> OLD.version + 1 OR (OLD.state, NEW.state) NOT IN (
        ('open', 'implemented'), ('implemented', 'open'), ('implemented', 'verified'), ('verified', 'closed')
    ) THEN
        RAISE EXCEPTION 'a corrective action can''t go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves BEFORE INSERT OR UPDATE ON mes.corrective_action
    FOR EACH ROW EXECUTE FUNCTION mes.corrective_action_moves();
"""

APPEND_ONLY = (
    "calibration",
    "control_limits",
    "quality_check",
    "disposition",
    "quality_signal",
    "corrective_action_nonconformance",
    "effectiveness_verification",
    "control_chart",
)
CHANGING = ("gauge", "characteristic", "specification", "nonconformance", "hold", "corrective_action")

GRANTS = """
GRANT SELECT, INSERT ON mes.gauge, mes.calibration, mes.characteristic, mes.specification, mes.control_chart,
    mes.control_limits, mes.quality_check, mes.quality_check_total, mes.nonconformance, mes.disposition,
    mes.quality_signal, mes.hold, mes.corrective_action, mes.corrective_action_nonconformance,
    mes.effectiveness_verification TO kojo_app;
GRANT UPDATE (name, calibration_interval, retired_at, version) ON mes.gauge TO kojo_app;
GRANT UPDATE (name, retired_at, version) ON mes.characteristic TO kojo_app;
GRANT UPDATE (effective_from, approved_by, approved_role) ON mes.specification TO kojo_app;
GRANT UPDATE (passed, failed) ON mes.quality_check_total TO kojo_app;
GRANT UPDATE (version, state, disposition_version, disposition, verification_check_id, closing_note, closed_by,
              closed_at) ON mes.nonconformance TO kojo_app;
GRANT UPDATE (version, released_by, released_at, release_reason) ON mes.hold TO kojo_app;
GRANT UPDATE (version, state, implementation, implemented_by, implemented_at, verification_version, closing_note,
              closed_by, closed_at) ON mes.corrective_action TO kojo_app;
GRANT SELECT ON mes.quality_check_total, mes.nonconformance, mes.hold TO kojo_read;
GRANT SELECT ON mes.gauge, mes.calibration, mes.characteristic, mes.specification, mes.control_chart,
    mes.control_limits, mes.quality_check, mes.nonconformance, mes.disposition, mes.quality_signal, mes.hold,
    mes.corrective_action, mes.corrective_action_nonconformance, mes.effectiveness_verification TO kojo_audit;
"""

DOWN = """
ALTER TABLE mes.corrective_action DROP CONSTRAINT corrective_action_was_effective;
ALTER TABLE mes.nonconformance DROP CONSTRAINT nonconformance_is_disposed_of;
DROP TABLE mes.effectiveness_verification, mes.corrective_action_nonconformance, mes.corrective_action, mes.hold,
    mes.quality_signal, mes.disposition, mes.nonconformance, mes.quality_check_total, mes.quality_check,
    mes.control_limits, mes.control_chart, mes.specification, mes.characteristic, mes.calibration, mes.gauge;
DROP FUNCTION mes.specification_is_fixed(), mes.nonconformance_moves(), mes.hold_is_released_once(),
    mes.corrective_action_moves();
"""


def upgrade() -> None:
    for step in (GAUGES, CHARACTERISTICS, CHARTS, CHECKS, NONCONFORMANCES, CAPA, GRANTS):
        op.execute(step)
    for table in APPEND_ONLY:
        op.execute(_refuse("UPDATE OR DELETE OR TRUNCATE", table))
    for table in CHANGING:
        op.execute(_refuse("DELETE OR TRUNCATE", table))
    for table in APPEND_ONLY + CHANGING:
        op.execute(f"SELECT mes.audit_table('mes.{table}')")


def downgrade() -> None:
    op.execute(DOWN)


def _refuse(operations: str, table: str) -> str:
    return (
        f"CREATE TRIGGER kept BEFORE {operations} ON mes.{table} FOR EACH STATEMENT"
        f" EXECUTE FUNCTION mes.refuse_change();"
        f"ALTER TABLE mes.{table} ENABLE ALWAYS TRIGGER kept"
    )
