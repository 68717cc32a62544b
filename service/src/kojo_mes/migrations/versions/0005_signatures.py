"""Electronic signatures and change requests."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

SIGNATURES = """
CREATE TABLE mes.signature (
    id text PRIMARY KEY,
    record_type text NOT NULL CHECK (record_type <> ''),
    record_id text NOT NULL CHECK (record_id <> ''),
    record_version integer NOT NULL CHECK (record_version > 0),
    record_digest bytea NOT NULL CHECK (octet_length(record_digest) = 32),
    meaning text NOT NULL CHECK (meaning IN ('authorship', 'review', 'approval', 'rejection', 'release', 'disposition',
                                             'verification', 'responsibility')),
    signer_id text NOT NULL REFERENCES mes.person,
    user_name text NOT NULL CHECK (user_name <> ''),
    printed_name text NOT NULL CHECK (btrim(printed_name) <> ''),
    role text NOT NULL CHECK (role <> ''),
    signed_at timestamptz NOT NULL,
    time_zone text NOT NULL CHECK (time_zone <> ''),
    authentication text NOT NULL CHECK (authentication IN ('user-name-and-password', 'password')),
    clock_status text NOT NULL CHECK (clock_status IN ('synchronised', 'unchecked')),
    clock_error double precision CHECK (clock_error >= 0),
    session_id text NOT NULL,
    request_id text NOT NULL,
    CHECK (clock_status = 'unchecked' OR clock_error IS NOT NULL),
    UNIQUE (record_type, record_id, record_version, meaning, signer_id),
    -- what a record that stands on a signature refers to
    UNIQUE (record_type, record_id, record_version, meaning, signer_id, role)
);
COMMENT ON TABLE mes.signature IS 'Electronic signatures, 21 CFR 11.50 and 11.70; append-only';
CREATE INDEX signature_signer ON mes.signature (signer_id, signed_at);

-- 11.200(a)(1): a continuous period of signing; its first signature takes user name and password.
CREATE TABLE mes.signing_session (
    session_id text PRIMARY KEY,
    signer_id text NOT NULL,
    last_signed_at timestamptz NOT NULL
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON mes.signature
    FOR EACH ROW EXECUTE FUNCTION mes.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON mes.signature
    FOR EACH STATEMENT EXECUTE FUNCTION mes.refuse_change();
ALTER TABLE mes.signature ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE mes.signature ENABLE ALWAYS TRIGGER no_truncate;
SELECT mes.audit_table('mes.signature');

-- Nobody signs in a role that isn't theirs, by whatever way the row comes (11.10(g)).
CREATE FUNCTION mes.signature_in_role() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM mes.role_grant JOIN mes.person ON person.id = role_grant.person_id
                   WHERE person_id = NEW.signer_id AND role = NEW.role AND revoked_at IS NULL
                     AND deactivated_at IS NULL) THEN
        RAISE integrity_constraint_violation USING
            MESSAGE = format('%s does not hold the role %s', NEW.signer_id, NEW.role),
            CONSTRAINT = 'signature_in_role';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER in_role BEFORE INSERT ON mes.signature FOR EACH ROW EXECUTE FUNCTION mes.signature_in_role();
ALTER TABLE mes.signature ENABLE ALWAYS TRIGGER in_role;

GRANT SELECT, INSERT ON mes.signature TO kojo_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON mes.signing_session TO kojo_app;
GRANT SELECT ON mes.signature TO kojo_read, kojo_audit;
"""

CHANGES = """
CREATE TABLE mes.change_request (
    id text PRIMARY KEY,
    version integer NOT NULL CHECK (version > 0),
    revision integer NOT NULL CHECK (revision > 0),
    state text NOT NULL CHECK (state IN ('draft', 'submitted', 'approved', 'rejected', 'expired', 'withdrawn', 'used',
                                         'closed')),
    requester_id text NOT NULL REFERENCES mes.person,
    requester_name text NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,

    signed_type text NOT NULL GENERATED ALWAYS AS ('change-request') STORED,
    approval text NOT NULL GENERATED ALWAYS AS ('approval') STORED,
    first_approver text,
    first_role text,
    second_approver text,
    second_role text,

    used_at timestamptz,
    used_by text,
    used_for text,

    responsibility text NOT NULL GENERATED ALWAYS AS ('responsibility') STORED,
    break_glass_by text,
    break_glass_role text,
    break_glass_reason text,
    break_glass_at timestamptz,
    break_glass_until timestamptz,
    review_due_at timestamptz,
    review text NOT NULL GENERATED ALWAYS AS ('review') STORED,
    reviewed_by text,
    reviewer_role text,
    reviewed_at timestamptz,
    review_conclusion text,

    closing_note text,

    -- Two people in two roles, each by a signature on this very revision: a new revision can't keep an old approval.
    CONSTRAINT change_request_first_approval
        FOREIGN KEY (signed_type, id, revision, approval, first_approver, first_role)
        REFERENCES mes.signature (record_type, record_id, record_version, meaning, signer_id, role),
    CONSTRAINT change_request_second_approval
        FOREIGN KEY (signed_type, id, revision, approval, second_approver, second_role)
        REFERENCES mes.signature (record_type, record_id, record_version, meaning, signer_id, role),
    CONSTRAINT change_request_approval_is_whole CHECK (
        num_nulls(first_approver, first_role) IN (0, 2)
        AND num_nulls(second_approver, second_role) IN (0, 2)
        AND (second_approver IS NULL OR first_approver IS NOT NULL)
    ),
    CONSTRAINT change_request_approver_roles CHECK (
        first_role IN ('manufacturing_lead', 'devops_lead', 'quality_manager')
        AND second_role IN ('manufacturing_lead', 'devops_lead', 'quality_manager')
    ),
    CONSTRAINT change_request_two_people_two_roles CHECK (
        first_approver <> second_approver AND first_role <> second_role
    ),
    CONSTRAINT change_request_requester_does_not_approve CHECK (
        requester_id <> first_approver AND requester_id <> second_approver
    ),
    CONSTRAINT change_request_approved_by_two CHECK (
        state <> 'approved' OR num_nonnulls(first_approver, second_approver) = 2
    ),
    CONSTRAINT change_request_used_with_authority CHECK (
        state NOT IN ('used', 'closed')
        OR num_nonnulls(first_approver, second_approver) = 2 OR break_glass_by IS NOT NULL
    ),
    CONSTRAINT change_request_used_once CHECK (
        (state IN ('used', 'closed')) = (num_nonnulls(used_at, used_by, used_for) = 3)
        AND num_nulls(used_at, used_by, used_for) IN (0, 3)
    ),

    CONSTRAINT change_request_break_glass_is_signed
        FOREIGN KEY (signed_type, id, revision, responsibility, break_glass_by, break_glass_role)
        REFERENCES mes.signature (record_type, record_id, record_version, meaning, signer_id, role),
    CONSTRAINT change_request_break_glass_is_whole CHECK (
        num_nulls(break_glass_by, break_glass_role, break_glass_reason, break_glass_at, break_glass_until,
                  review_due_at) IN (0, 6)
        AND btrim(break_glass_reason) <> '' AND break_glass_until > break_glass_at AND review_due_at > break_glass_at
    ),
    CONSTRAINT change_request_review_is_signed
        FOREIGN KEY (signed_type, id, revision, review, reviewed_by, reviewer_role)
        REFERENCES mes.signature (record_type, record_id, record_version, meaning, signer_id, role),
    CONSTRAINT change_request_review_is_whole CHECK (
        num_nulls(reviewed_by, reviewer_role, reviewed_at, review_conclusion) IN (0, 4)
        AND (reviewed_by IS NULL OR break_glass_by IS NOT NULL)
    ),
    CONSTRAINT change_request_review_by_another CHECK (
        reviewed_by <> break_glass_by AND reviewed_by <> requester_id
    ),
    CONSTRAINT change_request_closed_after_review CHECK (
        state <> 'closed' OR (closing_note IS NOT NULL AND (break_glass_by IS NULL OR reviewed_by IS NOT NULL))
    )
);
CREATE INDEX change_request_state ON mes.change_request (state, id);

CREATE TABLE mes.change_revision (
    change_id text NOT NULL REFERENCES mes.change_request,
    revision integer NOT NULL CHECK (revision > 0),
    what text NOT NULL CHECK (btrim(what) <> ''),
    why text NOT NULL CHECK (btrim(why) <> ''),
    impact text NOT NULL CHECK (btrim(impact) <> ''),
    rollback_plan text NOT NULL CHECK (btrim(rollback_plan) <> ''),
    artefact_digest text NOT NULL CHECK (artefact_digest ~ '^[0-9a-f]{64}$'),
    plant text NOT NULL CHECK (plant <> ''),
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    during_production boolean NOT NULL,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (change_id, revision),
    CHECK (window_start < window_end)
);
ALTER TABLE mes.change_request ADD CONSTRAINT change_request_has_content
    FOREIGN KEY (id, revision) REFERENCES mes.change_revision DEFERRABLE INITIALLY DEFERRED;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON mes.change_revision
    FOR EACH ROW EXECUTE FUNCTION mes.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON mes.change_revision
    FOR EACH STATEMENT EXECUTE FUNCTION mes.refuse_change();
ALTER TABLE mes.change_revision ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE mes.change_revision ENABLE ALWAYS TRIGGER no_truncate;
CREATE TRIGGER never_deleted BEFORE DELETE ON mes.change_request
    FOR EACH ROW EXECUTE FUNCTION mes.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON mes.change_request
    FOR EACH STATEMENT EXECUTE FUNCTION mes.refuse_change();
ALTER TABLE mes.change_request ENABLE ALWAYS TRIGGER never_deleted;
ALTER TABLE mes.change_request ENABLE ALWAYS TRIGGER no_truncate;

-- The second line behind the service's state machine: whatever writes, a change's life has one direction.
CREATE FUNCTION mes.change_request_moves() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'draft' OR NEW.version <> 1 OR NEW.revision <> 1 THEN
            RAISE EXCEPTION 'a change request begins as a draft' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.id, NEW.requester_id, NEW.requester_name, NEW.created_at)
            IS DISTINCT FROM (OLD.id, OLD.requester_id, OLD.requester_name, OLD.created_at)
       OR NEW.version <> OLD.version + 1 OR NEW.revision NOT IN (OLD.revision, OLD.revision + 1) THEN
        RAISE EXCEPTION 'identity and order of a change request''s versions are fixed'
            USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.break_glass_by IS NOT NULL
       AND (NEW.break_glass_by, NEW.break_glass_role, NEW.break_glass_reason, NEW.break_glass_at,
            NEW.break_glass_until, NEW.review_due_at)
           IS DISTINCT FROM (OLD.break_glass_by, OLD.break_glass_role, OLD.break_glass_reason, OLD.break_glass_at,
                             OLD.break_glass_until, OLD.review_due_at)
       OR OLD.used_at IS NOT NULL
       AND (NEW.used_at, NEW.used_by, NEW.used_for) IS DISTINCT FROM (OLD.used_at, OLD.used_by, OLD.used_for)
       OR OLD.reviewed_at IS NOT NULL
       AND (NEW.reviewed_by, NEW.reviewer_role, NEW.reviewed_at, NEW.review_conclusion)
           IS DISTINCT FROM (OLD.reviewed_by, OLD.reviewer_role, OLD.reviewed_at, OLD.review_conclusion) THEN
        RAISE EXCEPTION 'a use, a break-glass and its review are not rewritten' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.revision > OLD.revision AND NEW.state <> 'draft' THEN
        RAISE EXCEPTION 'a new revision is a draft' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
        ('draft', 'submitted'), ('draft', 'withdrawn'), ('draft', 'expired'), ('draft', 'used'),
        ('submitted', 'draft'), ('submitted', 'approved'), ('submitted', 'rejected'), ('submitted', 'expired'),
        ('submitted', 'withdrawn'), ('submitted', 'used'),
        ('approved', 'draft'), ('approved', 'used'), ('approved', 'expired'), ('approved', 'withdrawn'),
        ('used', 'closed')
    ) THEN
        RAISE EXCEPTION 'a change request can''t go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves BEFORE INSERT OR UPDATE ON mes.change_request
    FOR EACH ROW EXECUTE FUNCTION mes.change_request_moves();
ALTER TABLE mes.change_request ENABLE ALWAYS TRIGGER moves;
SELECT mes.audit_table('mes.change_request');
SELECT mes.audit_table('mes.change_revision');

GRANT SELECT, INSERT, UPDATE ON mes.change_request TO kojo_app;
GRANT SELECT, INSERT ON mes.change_revision TO kojo_app;
GRANT SELECT ON mes.change_request, mes.change_revision TO kojo_read, kojo_audit;
"""
DOWN = """
ALTER TABLE mes.change_request DROP CONSTRAINT change_request_has_content;
DROP TABLE mes.change_revision, mes.change_request, mes.signing_session, mes.signature;
DROP FUNCTION mes.change_request_moves(), mes.signature_in_role();
"""


def upgrade() -> None:
    op.execute(SIGNATURES)
    op.execute(CHANGES)


def downgrade() -> None:
    op.execute(DOWN)
