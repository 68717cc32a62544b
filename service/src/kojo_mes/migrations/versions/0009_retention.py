"""Months of readings and audit rows are held until their date: archived, checked, and only then detached."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

UP = """
-- Retention classes. `late` is how long after its end a month still takes rows in (readings: readings/service.py).
CREATE TABLE mes.retention_class (
    kind text PRIMARY KEY CHECK (kind IN ('audit', 'readings')),
    parent regclass NOT NULL UNIQUE,
    years integer NOT NULL CHECK (years >= 7),
    late interval NOT NULL
);
INSERT INTO mes.retention_class VALUES
    ('audit', 'mes.audit_event', 7, '1 day'), ('readings', 'mes.reading', 7, '28 days');

-- A hold is a row that refers to a row of the month: PostgreSQL then refuses to detach or drop its partition,
-- whoever asks. Only mes.detach_month takes one away, when its date has come and its archive was checked.
CREATE TABLE mes.audit_hold (
    month date PRIMARY KEY CHECK (month = date_trunc('month', month)),
    until date NOT NULL CHECK (until >= month + interval '7 years'),
    event_id bigint NOT NULL,
    event_at timestamptz NOT NULL,
    FOREIGN KEY (event_id, event_at) REFERENCES mes.audit_event (id, at)
);
CREATE TABLE mes.readings_hold (
    month date PRIMARY KEY CHECK (month = date_trunc('month', month)),
    until date NOT NULL CHECK (until >= month + interval '7 years'),
    sensor_id integer NOT NULL,
    time timestamptz NOT NULL,
    FOREIGN KEY (sensor_id, time) REFERENCES mes.reading (sensor_id, time)
);

CREATE TABLE mes.archive (
    kind text NOT NULL REFERENCES mes.retention_class,
    month date NOT NULL CHECK (month = date_trunc('month', month)),
    rows bigint NOT NULL CHECK (rows > 0),
    first_id text NOT NULL,
    last_id text NOT NULL,
    root bytea NOT NULL CHECK (length(root) = 32),
    manifest text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, month, root)
);
CREATE TABLE mes.archive_check (
    kind text NOT NULL,
    month date NOT NULL,
    root bytea NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, month, root, checked_at),
    FOREIGN KEY (kind, month, root) REFERENCES mes.archive
);

CREATE FUNCTION mes.refuse_release() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP <> 'DELETE' OR OLD.until > current_date THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('%s of %s is refused: it is held until %s', TG_TABLE_NAME, OLD.month, OLD.until);
    END IF;
    IF NOT EXISTS (SELECT FROM mes.archive_check
                   WHERE kind = split_part(TG_TABLE_NAME, '_', 1) AND month = OLD.month) THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('%s of %s is refused: no archive of it was restored and checked', TG_TABLE_NAME,
                             OLD.month);
    END IF;
    RETURN OLD;
END $$;

-- Months that have rows and no hold yet; how many were taken. The application calls it as it makes partitions.
CREATE FUNCTION mes.hold_months() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET TimeZone = 'UTC' AS $$
DECLARE
    class mes.retention_class;
    partition regclass;
    first_day date;
    made integer := 0;
    added integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('mes.hold_months', 0));
    FOR class IN SELECT * FROM mes.retention_class LOOP
        FOR partition IN SELECT inhrelid FROM pg_inherits WHERE inhparent = class.parent LOOP
            first_day := to_date(right(partition::text, 7), 'YYYY_MM');
            EXECUTE format('INSERT INTO mes.%I SELECT $1, $2, %s FROM %s LIMIT 1 ON CONFLICT DO NOTHING',
                           class.kind || '_hold',
                           CASE class.kind WHEN 'audit' THEN 'id, at' ELSE 'sensor_id, time' END, partition)
            USING first_day, (first_day + make_interval(months => 1, years => class.years))::date;
            GET DIAGNOSTICS added = ROW_COUNT;
            made := made + added;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION mes.hold_months FROM PUBLIC;

-- The month's partition becomes a table of its own, which its owner may then drop.
CREATE FUNCTION mes.detach_month(class_kind text, first_day date) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    class_parent regclass;
    partition text;
BEGIN
    SELECT parent INTO STRICT class_parent FROM mes.retention_class WHERE kind = class_kind;
    partition := CASE class_kind WHEN 'audit' THEN 'audit_event_' ELSE 'reading_' END
                 || to_char(first_day, 'YYYY_MM');
    EXECUTE format('DELETE FROM mes.%I WHERE month = $1', class_kind || '_hold') USING first_day;
    EXECUTE format('ALTER TABLE %s DETACH PARTITION mes.%I', class_parent, partition);
    RETURN partition;
END $$;
REVOKE ALL ON FUNCTION mes.detach_month FROM PUBLIC;

-- DROP … CASCADE takes the foreign key along. Only an event trigger sees that, and only a superuser may make one:
-- CREATE EVENT TRIGGER kojo_retention ON sql_drop EXECUTE FUNCTION mes.refuse_drop()
CREATE FUNCTION mes.refuse_drop() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
    held boolean;
BEGIN
    FOR name IN SELECT object_name FROM pg_event_trigger_dropped_objects()
                WHERE schema_name = 'mes' AND object_type = 'table'
                  AND object_name ~ '^(audit_event|reading)_[0-9]{4}_[0-9]{2}$' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM mes.%I WHERE month = $1)',
                       CASE WHEN name LIKE 'audit%' THEN 'audit_hold' ELSE 'readings_hold' END)
        INTO held USING to_date(right(name, 7), 'YYYY_MM');
        IF held THEN
            RAISE insufficient_privilege USING MESSAGE = format('DROP of mes.%I is refused: it is held', name);
        END IF;
    END LOOP;
END $$;

GRANT EXECUTE ON FUNCTION mes.hold_months TO kojo_app;
GRANT SELECT ON mes.retention_class, mes.audit_hold, mes.readings_hold, mes.archive, mes.archive_check
    TO kojo_app, kojo_read, kojo_audit;
"""
GUARDS = "".join(
    f"""
CREATE TRIGGER held BEFORE UPDATE OR DELETE ON mes.{table}
    FOR EACH ROW EXECUTE FUNCTION mes.refuse_release();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON mes.{table}
    FOR EACH STATEMENT EXECUTE FUNCTION mes.refuse_change();
ALTER TABLE mes.{table} ENABLE ALWAYS TRIGGER held;
ALTER TABLE mes.{table} ENABLE ALWAYS TRIGGER no_truncate;
SELECT mes.audit_table('mes.{table}');
"""
    for table in ("audit_hold", "readings_hold")
) + "".join(
    f"""
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON mes.{table}
    FOR EACH ROW EXECUTE FUNCTION mes.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON mes.{table}
    FOR EACH STATEMENT EXECUTE FUNCTION mes.refuse_change();
ALTER TABLE mes.{table} ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE mes.{table} ENABLE ALWAYS TRIGGER no_truncate;
SELECT mes.audit_table('mes.{table}');
"""
    for table in ("archive", "archive_check", "retention_class")
)
DOWN = """
DROP TABLE mes.archive_check, mes.archive, mes.readings_hold, mes.audit_hold, mes.retention_class;
DROP FUNCTION mes.refuse_drop();
DROP FUNCTION mes.detach_month(text, date);
DROP FUNCTION mes.hold_months();
DROP FUNCTION mes.refuse_release();
"""


def upgrade() -> None:
    op.execute(UP)
    op.execute(GUARDS)


def downgrade() -> None:
    op.execute(DOWN)
