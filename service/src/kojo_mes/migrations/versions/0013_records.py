"""The audit trail believes rows, not settings; the plant's page is on record; an export knows who asked for it."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0011"

# Under which records the service tells of a table's changes, where that is not the table's own name.
SUBJECTS = {
    "password": ("person", "login_session"),
    "password_reset": ("person",),
    "role_grant": ("person",),
    "identity_proof": ("person",),
    "acknowledgement": ("person",),
    "device_equipment": ("device",),
    "shift": ("shift_pattern", "shift_closure", "line"),
    "line_state": ("line_state_reclassification", "line"),
    "line_state_reclassification": ("line",),
    "production_count": ("line",),
    "disposition": ("nonconformance",),
    "quality_signal": ("nonconformance",),
    "corrective_action_nonconformance": ("corrective-action",),
    "effectiveness_verification": ("corrective-action",),
    "lot": ("hold",),
    "material_movement": ("lot",),
    "change_revision": ("change-request",),
    "audit_hold": ("retention", "archive"),
    "readings_hold": ("retention", "archive"),
    "archive_check": ("archive",),
}

AUDIT_SUBJECT = """
CREATE TABLE mes.audit_subject (
    relation name NOT NULL,
    record_type text NOT NULL,
    PRIMARY KEY (relation, record_type)
)
"""
# A change that no audit row of its transaction tells of leaves one here. It looks at COMMIT, because a service's row
# may come after the change. Arguments: the columns of the primary key, the columns that must not be copied (secrets).
AUDIT_CHANGE = """
CREATE OR REPLACE FUNCTION mes.audit_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before jsonb;
    after jsonb;
BEGIN
    IF <told> THEN
        RETURN NULL;
    END IF;
    IF TG_OP IN ('UPDATE', 'DELETE') THEN before := to_jsonb(OLD) - TG_ARGV[1]::text[]; END IF;
    IF TG_OP IN ('UPDATE', 'INSERT') THEN after := to_jsonb(NEW) - TG_ARGV[1]::text[]; END IF;
    IF TG_OP = 'UPDATE' AND OLD IS NOT DISTINCT FROM NEW THEN
        RETURN NULL;
    END IF;
    INSERT INTO mes.audit_event (source, actor_kind, actor_id, actor_name, actor_roles, action,
                                 record_type, record_id, old, new, reason, request_id)
    VALUES ('database', 'database', session_user, session_user, '{}', TG_TABLE_NAME || ':' || lower(TG_OP),
            TG_TABLE_NAME,
            (SELECT coalesce(string_agg(coalesce(after, before) ->> name, '/' ORDER BY position), '')
             FROM unnest(TG_ARGV[0]::text[]) WITH ORDINALITY AS key (name, position)),
            before, after, 'changed outside the service',
            format('%s %s', current_setting('application_name'), inet_client_addr()));
    RETURN NULL;
END $$;
"""
TOLD_BY_A_SETTING = "current_setting('mes.audited', true) = pg_current_xact_id()::text"
# A row about other records tells nothing of this one: whoever wants to hide a change has to write a row about it. A
# migration (`schema`) tells of all that it does, and only the tables' owner can.
TOLD_BY_A_ROW = """EXISTS (
        SELECT FROM mes.audit_event AS told
        WHERE told.xid = pg_current_xact_id()
          -- the other months' partitions are left alone
          AND told.at BETWEEN transaction_timestamp() - interval '1 hour' AND statement_timestamp() + interval '1 hour'
          AND told.source = 'service' AND told.action <> 'denied'
          AND (told.record_type IN (TG_TABLE_NAME, replace(TG_TABLE_NAME, '_', '-'))
               OR EXISTS (SELECT FROM mes.audit_subject AS subject
                          WHERE subject.relation = TG_TABLE_NAME AND subject.record_type = told.record_type)
               OR told.record_type = 'schema' AND session_user = current_user)
    )"""

# What is there already begins its trail now; so do rows that migrations wrote before their table was watched.
PLANT = ("site", "area", "line", "work_cell", "equipment", "sensor")
PRESENT = """
INSERT INTO mes.audit_event (source, actor_kind, actor_id, actor_name, actor_roles, action,
                             record_type, record_id, new, reason)
SELECT 'service', 'system', 'kojo-mes migrate', 'kojo-mes migrate', '{{}}', 'schema:present',
       '{table}', concat_ws('/', {key}), to_jsonb(present), 'was there before its changes were kept'
FROM mes.{table} AS present ORDER BY {key}
"""
UNTOLD = dict.fromkeys(PLANT, "id") | {"state_reason": "state, code", "retention_class": "kind"}

OUTDATING = """
-- Which stops are micro-stops is an input of every figure of the line (oee/formula.py), whoever changes it.
CREATE FUNCTION mes.outdate_line() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE mes.oee_rollup SET stale = true FROM mes.shift
    WHERE shift.id = oee_rollup.shift_id AND NOT stale AND shift.line_id = NEW.id;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION mes.outdate_line FROM PUBLIC;
CREATE TRIGGER outdates AFTER UPDATE ON mes.line
    FOR EACH ROW WHEN (OLD.micro_stop_limit <> NEW.micro_stop_limit) EXECUTE FUNCTION mes.outdate_line();
"""

EXPORTS = "ALTER TABLE mes.audit_export ADD requested_by_id text"

DOWN = """
-- audit rows of what is changed here are written now: a table with some to come can't be altered
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE mes.audit_export DROP COLUMN requested_by_id;
DROP TRIGGER outdates ON mes.line;
DROP FUNCTION mes.outdate_line();
"""


def upgrade() -> None:
    op.execute(AUDIT_SUBJECT)
    for relation, types in SUBJECTS.items():
        for record_type in types:
            op.execute(f"INSERT INTO mes.audit_subject VALUES ('{relation}', '{record_type}')")  # noqa: S608
    op.execute(AUDIT_CHANGE.replace("<told>", TOLD_BY_A_ROW))
    op.execute("SELECT mes.make_audit_partitions(3)")  # a plant that stood still has none for today
    for table in PLANT:
        op.execute(f"SELECT mes.audit_table('mes.{table}')")
    for table, key in UNTOLD.items():
        op.execute(PRESENT.format(table=table, key=key))
    op.execute(OUTDATING)
    op.execute(EXPORTS)


def downgrade() -> None:
    op.execute(DOWN)
    for table in PLANT:
        op.execute(f"DROP TRIGGER audit_change ON mes.{table}; DROP TRIGGER audit_truncate ON mes.{table}")
    op.execute(AUDIT_CHANGE.replace("<told>", TOLD_BY_A_SETTING))
    op.execute("DROP TABLE mes.audit_subject")
