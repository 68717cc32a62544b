"""A sensor's limits by the plant's page, and who sent each reading, in which batch."""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"

LIMITS = """
-- The sensor's unit. NULL: none. What is beyond them is stored as it came, as uncertain (readings/refusals.py).
ALTER TABLE mes.sensor
    ADD low double precision
        CHECK (low > '-Infinity'::double precision AND low < 'Infinity'::double precision),
    ADD high double precision
        CHECK (high > '-Infinity'::double precision AND high < 'Infinity'::double precision),
    ADD CONSTRAINT sensor_limits CHECK (low < high);
ALTER TABLE mes.line_total ADD out_of_limits bigint NOT NULL DEFAULT 0;
ALTER TABLE mes.device_total ADD out_of_limits bigint NOT NULL DEFAULT 0;
"""

ORIGIN = """
-- Who sends readings, as they were named then: a number is all that a reading has room for.
CREATE TABLE mes.reading_sender (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('person', 'device', 'system')),
    actor_id text NOT NULL,
    name text NOT NULL,
    UNIQUE (kind, actor_id, name)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON mes.reading_sender
    FOR EACH ROW EXECUTE FUNCTION mes.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON mes.reading_sender
    FOR EACH STATEMENT EXECUTE FUNCTION mes.refuse_change();
ALTER TABLE mes.reading_sender ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE mes.reading_sender ENABLE ALWAYS TRIGGER no_truncate;
CREATE SEQUENCE mes.reading_batch AS bigint;

-- NOT VALID: readings from before have neither. No foreign key: it would be looked up once a reading, and a sender that
-- mes.sender_of told is there for ever.
ALTER TABLE mes.reading
    ADD sender_id integer,
    ADD batch_id bigint,
    ADD CONSTRAINT reading_origin CHECK (sender_id IS NOT NULL AND batch_id IS NOT NULL) NOT VALID;

-- A sender's number, made at its first batch. It looks before it adds: an addition that meets another uses up a number.
CREATE FUNCTION mes.sender_of(sender_kind text, sender text, sender_name text) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known integer;
BEGIN
    LOOP
        SELECT id INTO known FROM mes.reading_sender
        WHERE (kind, actor_id, name) = (sender_kind, sender, sender_name);
        IF FOUND THEN
            RETURN known;
        END IF;
        INSERT INTO mes.reading_sender (kind, actor_id, name) VALUES (sender_kind, sender, sender_name)
        ON CONFLICT DO NOTHING;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION mes.sender_of FROM PUBLIC;

GRANT EXECUTE ON FUNCTION mes.sender_of TO kojo_app;
GRANT USAGE ON SEQUENCE mes.reading_batch TO kojo_app;
GRANT SELECT ON mes.reading_sender TO kojo_app, kojo_read, kojo_audit;
"""

DOWN = """
ALTER TABLE mes.reading DROP COLUMN sender_id, DROP COLUMN batch_id;
DROP FUNCTION mes.sender_of(text, text, text);
DROP SEQUENCE mes.reading_batch;
DROP TABLE mes.reading_sender;
ALTER TABLE mes.device_total DROP COLUMN out_of_limits;
ALTER TABLE mes.line_total DROP COLUMN out_of_limits;
-- audit rows of what is changed here are written now: a table with some to come can't be altered
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE mes.sensor DROP COLUMN low, DROP COLUMN high;
"""


def upgrade() -> None:
    op.execute(LIMITS)
    op.execute(ORIGIN)


def downgrade() -> None:
    op.execute(DOWN)
