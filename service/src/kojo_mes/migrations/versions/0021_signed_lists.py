"""Several records under one signature; a lot's audit review and its release are two people's."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

LISTS = """
-- What is signed is the list; its digest covers each version on it, with that version's own digest.
CREATE TABLE mes.signed_list_item (
    list_id text NOT NULL CHECK (list_id <> ''),
    record_type text NOT NULL CHECK (record_type <> ''),
    record_id text NOT NULL CHECK (record_id <> ''),
    record_version integer NOT NULL CHECK (record_version > 0),
    record_digest bytea NOT NULL CHECK (octet_length(record_digest) = 32),
    PRIMARY KEY (list_id, record_type, record_id, record_version)
);
CREATE INDEX signed_list_item_record ON mes.signed_list_item (record_type, record_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON mes.signed_list_item
    FOR EACH ROW EXECUTE FUNCTION mes.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON mes.signed_list_item
    FOR EACH STATEMENT EXECUTE FUNCTION mes.refuse_change();
ALTER TABLE mes.signed_list_item ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE mes.signed_list_item ENABLE ALWAYS TRIGGER no_truncate;
SELECT mes.audit_table('mes.signed_list_item');
INSERT INTO mes.audit_subject VALUES ('signed_list_item', 'signed-list');
GRANT SELECT, INSERT ON mes.signed_list_item TO kojo_app;
GRANT SELECT ON mes.signed_list_item TO kojo_read, kojo_audit;
"""

# A lot stands on signatures on itself, or on lists that have this very version of it.
LOTS = """
ALTER TABLE mes.lot
    DROP CONSTRAINT lot_audit_review_is_signed,
    DROP CONSTRAINT lot_release_is_signed,
    ADD review_list text,
    ADD release_list text,
    ADD review_on_type text NOT NULL
        GENERATED ALWAYS AS (CASE WHEN review_list IS NULL THEN 'lot' ELSE 'signed-list' END) STORED,
    ADD review_on_id text NOT NULL GENERATED ALWAYS AS (coalesce(review_list, id::text)) STORED,
    ADD review_on_version integer
        GENERATED ALWAYS AS (CASE WHEN review_list IS NULL THEN signed_version ELSE 1 END) STORED,
    ADD release_on_type text NOT NULL
        GENERATED ALWAYS AS (CASE WHEN release_list IS NULL THEN 'lot' ELSE 'signed-list' END) STORED,
    ADD release_on_id text NOT NULL GENERATED ALWAYS AS (coalesce(release_list, id::text)) STORED,
    ADD release_on_version integer
        GENERATED ALWAYS AS (CASE WHEN release_list IS NULL THEN signed_version ELSE 1 END) STORED,
    ADD CONSTRAINT lot_is_on_lists_when_released CHECK (
        released_at IS NOT NULL OR num_nonnulls(review_list, release_list) = 0
    ),
    ADD CONSTRAINT lot_audit_review_is_signed
        FOREIGN KEY (review_on_type, review_on_id, review_on_version, review, reviewed_by, reviewer_role)
        REFERENCES mes.signature (record_type, record_id, record_version, meaning, signer_id, role),
    ADD CONSTRAINT lot_release_is_signed
        FOREIGN KEY (release_on_type, release_on_id, release_on_version, release, released_by, releaser_role)
        REFERENCES mes.signature (record_type, record_id, record_version, meaning, signer_id, role),
    ADD CONSTRAINT lot_is_on_its_review_list
        FOREIGN KEY (review_list, signed_type, id, signed_version) REFERENCES mes.signed_list_item,
    ADD CONSTRAINT lot_is_on_its_release_list
        FOREIGN KEY (release_list, signed_type, id, signed_version) REFERENCES mes.signed_list_item;
GRANT UPDATE (review_list, release_list) ON mes.lot TO kojo_app;

-- At the release only, so that lots of before this rule go on being shipped.
CREATE FUNCTION mes.lot_is_released() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.released_at IS NOT NULL THEN
        RAISE EXCEPTION 'a lot is released once'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'lot_is_released_once';
    END IF;
    IF NEW.reviewed_by = NEW.released_by THEN
        RAISE EXCEPTION 'lot % is released by who reviewed its audit trail', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'lot_is_released_by_another';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER released BEFORE UPDATE OF reviewed_by, released_by, review_list, release_list ON mes.lot
    FOR EACH ROW WHEN (
        (NEW.reviewed_by, NEW.released_by, NEW.review_list, NEW.release_list) IS DISTINCT FROM
        (OLD.reviewed_by, OLD.released_by, OLD.review_list, OLD.release_list)
    ) EXECUTE FUNCTION mes.lot_is_released();
"""

# Refused by the foreign keys while a lot stands on a list: its release can't be told without it.
DOWN = """
SET CONSTRAINTS ALL IMMEDIATE;
DROP TRIGGER released ON mes.lot;
DROP FUNCTION mes.lot_is_released();
ALTER TABLE mes.lot
    DROP COLUMN review_on_type, DROP COLUMN review_on_id, DROP COLUMN review_on_version,
    DROP COLUMN release_on_type, DROP COLUMN release_on_id, DROP COLUMN release_on_version,
    DROP COLUMN review_list, DROP COLUMN release_list,
    ADD CONSTRAINT lot_audit_review_is_signed
        FOREIGN KEY (signed_type, id, signed_version, review, reviewed_by, reviewer_role)
        REFERENCES mes.signature (record_type, record_id, record_version, meaning, signer_id, role),
    ADD CONSTRAINT lot_release_is_signed
        FOREIGN KEY (signed_type, id, signed_version, release, released_by, releaser_role)
        REFERENCES mes.signature (record_type, record_id, record_version, meaning, signer_id, role);
DELETE FROM mes.audit_subject WHERE relation = 'signed_list_item';
DROP TABLE mes.signed_list_item;
"""


def upgrade() -> None:
    op.execute(LISTS)
    op.execute(LOTS)


def downgrade() -> None:
    op.execute(DOWN)
