"""Audit events, append-only, and their seals."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

UP = """
CREATE FUNCTION mes.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE insufficient_privilege USING
        MESSAGE = format('%s on %I.%I is refused: its rows are kept as they were written',
                         TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME);
END $$;

-- (xid, id) is the order of the seals: below the snapshot's horizon no row can come between any more.
CREATE TABLE mes.audit_event (
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    source text NOT NULL CHECK (source IN ('service', 'database', 'journal')),
    actor_kind text NOT NULL CHECK (actor_kind IN ('person', 'device', 'system', 'database')),
    actor_id text NOT NULL,
    actor_name text NOT NULL,
    actor_roles text[] NOT NULL,
    action text NOT NULL CHECK (action <> ''),
    record_type text NOT NULL CHECK (record_type <> ''),
    record_id text NOT NULL,
    record_version bigint,
    old jsonb,
    new jsonb,
    reason text,
    request_id text,
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE INDEX audit_event_order ON mes.audit_event (xid, id);
CREATE INDEX audit_event_record ON mes.audit_event (record_type, record_id, id);
CREATE INDEX audit_event_actor ON mes.audit_event (actor_id, id);
CREATE INDEX audit_event_action ON mes.audit_event (action, id);
CREATE INDEX audit_event_at ON mes.audit_event USING brin (at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON mes.audit_event
    FOR EACH ROW EXECUTE FUNCTION mes.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON mes.audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION mes.refuse_change();
ALTER TABLE mes.audit_event ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE mes.audit_event ENABLE ALWAYS TRIGGER no_truncate;

-- The application may not create tables; it may have these made ahead. A partition truncated by its own name
-- doesn't ask its parent's trigger: each has one.
CREATE FUNCTION mes.make_audit_partitions(months_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' AS $$
DECLARE
    first_day timestamptz;
    partition text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('mes.make_audit_partitions', 0));
    FOR month IN 0..months_ahead LOOP
        first_day := date_trunc('month', now()) + make_interval(months => month);
        partition := 'audit_event_' || to_char(first_day, 'YYYY_MM');
        IF to_regclass('mes.' || partition) IS NULL THEN
            EXECUTE format('CREATE TABLE mes.%I PARTITION OF mes.audit_event FOR VALUES FROM (%L) TO (%L)',
                           partition, first_day, first_day + interval '1 month');
            EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON mes.%I'
                           ' FOR EACH STATEMENT EXECUTE FUNCTION mes.refuse_change()', partition);
            EXECUTE format('ALTER TABLE mes.%I ENABLE ALWAYS TRIGGER no_truncate', partition);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION mes.make_audit_partitions FROM PUBLIC;
SELECT mes.make_audit_partitions(3);

-- A change that no audit row of its transaction tells of leaves one here. It looks at COMMIT, because a service's
-- row may come after the change; the setting of kit/audit.py makes it a comparison for changes that are on record.
-- Arguments: the columns of the primary key, the columns that must not be copied (secrets).
CREATE FUNCTION mes.audit_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before jsonb;
    after jsonb;
BEGIN
    IF current_setting('mes.audited', true) = pg_current_xact_id()::text THEN
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
REVOKE ALL ON FUNCTION mes.audit_change FROM PUBLIC;

-- For migrations: SELECT mes.audit_table('mes.person', 'password_hash')
CREATE FUNCTION mes.audit_table(target regclass, VARIADIC hidden text[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    keys text[];
BEGIN
    SELECT coalesce(array_agg(attname::text ORDER BY array_position(indkey::smallint[], attnum)), '{}') INTO keys
    FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey::smallint[])
    WHERE indrelid = target AND indisprimary;
    EXECUTE format('CREATE CONSTRAINT TRIGGER audit_change AFTER INSERT OR UPDATE OR DELETE ON %s'
                   ' DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mes.audit_change(%L, %L)',
                   target, keys, hidden);
    EXECUTE format('CREATE TRIGGER audit_truncate AFTER TRUNCATE ON %s'
                   ' FOR EACH STATEMENT EXECUTE FUNCTION mes.audit_change(''{}'', ''{}'')', target);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER audit_change', target);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER audit_truncate', target);
END $$;
REVOKE ALL ON FUNCTION mes.audit_table FROM PUBLIC;

-- What the sealer signed, exactly: `body` is the signed text (audit/seals.py), the columns are its search keys.
CREATE TABLE mes.audit_seal (
    number bigint PRIMARY KEY CHECK (number > 0),
    sealed_at timestamptz NOT NULL,
    last_xid xid8 NOT NULL,
    last_id bigint NOT NULL,
    events integer NOT NULL CHECK (events >= 0),
    leaves bytea NOT NULL CHECK (length(leaves) = 32 * events),
    body text NOT NULL,
    hash bytea NOT NULL UNIQUE CHECK (hash = sha256(convert_to(body, 'UTF8'))),
    signature bytea NOT NULL CHECK (length(signature) = 64)
);
CREATE INDEX audit_seal_position ON mes.audit_seal (last_xid, last_id);
CREATE INDEX audit_seal_sealed_at ON mes.audit_seal (sealed_at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON mes.audit_seal
    FOR EACH ROW EXECUTE FUNCTION mes.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON mes.audit_seal
    FOR EACH STATEMENT EXECUTE FUNCTION mes.refuse_change();
ALTER TABLE mes.audit_seal ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE mes.audit_seal ENABLE ALWAYS TRIGGER no_truncate;

-- Lines of the Ansible journals, as they came: a writer's chain goes on where it ended.
CREATE TABLE mes.audit_journal_line (
    writer text NOT NULL,
    sequence bigint NOT NULL CHECK (sequence > 0),
    hash bytea NOT NULL CHECK (length(hash) = 32),
    line text NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (writer, sequence)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON mes.audit_journal_line
    FOR EACH ROW EXECUTE FUNCTION mes.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON mes.audit_journal_line
    FOR EACH STATEMENT EXECUTE FUNCTION mes.refuse_change();
ALTER TABLE mes.audit_journal_line ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE mes.audit_journal_line ENABLE ALWAYS TRIGGER no_truncate;

-- Exports that people asked for; the files go after some days, the row stays.
CREATE TABLE mes.audit_export (
    id text PRIMARY KEY,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed', 'expired')),
    request jsonb NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    events bigint,
    fault text,
    CHECK ((state = 'failed') = (fault IS NOT NULL))
);
CREATE TABLE mes.audit_export_part (
    export_id text NOT NULL REFERENCES mes.audit_export,
    file text NOT NULL,
    number integer NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (export_id, file, number)
);

-- id, at and xid are the database's to give
GRANT SELECT, INSERT (source, actor_kind, actor_id, actor_name, actor_roles, action, record_type, record_id,
                      record_version, old, new, reason, request_id) ON mes.audit_event TO kojo_app;
GRANT SELECT, INSERT ON mes.audit_seal TO kojo_app;
GRANT SELECT, INSERT (writer, sequence, hash, line) ON mes.audit_journal_line TO kojo_app;
GRANT SELECT, INSERT, UPDATE ON mes.audit_export TO kojo_app;
GRANT SELECT, INSERT, DELETE ON mes.audit_export_part TO kojo_app;
GRANT EXECUTE ON FUNCTION mes.make_audit_partitions TO kojo_app;
GRANT SELECT ON mes.audit_event, mes.audit_seal, mes.audit_journal_line, mes.audit_export TO kojo_audit;
"""
DOWN = """
DROP TABLE mes.audit_export_part, mes.audit_export, mes.audit_journal_line, mes.audit_seal, mes.audit_event;
DROP FUNCTION mes.audit_table(regclass, text[]);
DROP FUNCTION mes.audit_change();
DROP FUNCTION mes.make_audit_partitions(integer);
DROP FUNCTION mes.refuse_change();
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
