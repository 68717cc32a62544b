"""A hold or a nonconformance that names no lot is of all that its line makes of its product."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

UP = """
CREATE INDEX hold_active_line ON mes.hold (line_id, product_id)
    WHERE released_at IS NULL AND lot_id IS NULL AND serial IS NULL;
CREATE INDEX nonconformance_open_line ON mes.nonconformance (line_id, product_id)
    WHERE state <> 'closed' AND lot_id IS NULL AND serial IS NULL;

-- What is suspected of a lot: by its own number, and as something that its line made.
CREATE FUNCTION mes.holds_of(lot text) RETURNS SETOF mes.hold
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM mes.hold WHERE released_at IS NULL AND serial COLLATE "C" = lot
    UNION ALL
    SELECT * FROM mes.hold
    WHERE released_at IS NULL AND lot_id COLLATE "C" = lot AND serial COLLATE "C" IS DISTINCT FROM lot
      AND NOT EXISTS (SELECT FROM mes.lot WHERE id = serial COLLATE "C")
    UNION ALL
    SELECT hold.* FROM mes.lot AS made JOIN mes.work_order AS work ON work.id = made.work_order_id
    JOIN mes.hold AS hold ON hold.line_id = work.line_id AND hold.product_id = made.product_id
    WHERE made.id = lot AND hold.released_at IS NULL AND hold.lot_id IS NULL AND hold.serial IS NULL
$$;
CREATE FUNCTION mes.nonconformances_of(lot text) RETURNS SETOF mes.nonconformance
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM mes.nonconformance WHERE state <> 'closed' AND (lot_id COLLATE "C" = lot OR serial COLLATE "C" = lot)
    UNION ALL
    SELECT fault.* FROM mes.lot AS made JOIN mes.work_order AS work ON work.id = made.work_order_id
    JOIN mes.nonconformance AS fault ON fault.line_id = work.line_id AND fault.product_id = made.product_id
    WHERE made.id = lot AND fault.state <> 'closed' AND fault.lot_id IS NULL AND fault.serial IS NULL
$$;
GRANT EXECUTE ON FUNCTION mes.holds_of(text), mes.nonconformances_of(text) TO kojo_app;

CREATE OR REPLACE FUNCTION mes.is_held(lot text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM mes.holds_of(lot))
$$;
CREATE OR REPLACE FUNCTION mes.open_nonconformances(lot text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FROM mes.nonconformances_of(lot)
$$;

CREATE OR REPLACE FUNCTION mes.lot_follows_quality() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    of_line boolean := NEW.lot_id IS NULL AND NEW.serial IS NULL;
    subject text;
BEGIN
    IF of_line THEN
        -- a lot locks its order when it begins: none begins beside this unseen
        PERFORM FROM mes.work_order WHERE line_id = NEW.line_id AND state IN ('released', 'running')
        ORDER BY id FOR NO KEY UPDATE;
    END IF;
    FOR subject IN SELECT id FROM mes.lot
               WHERE id IN (NEW.lot_id COLLATE "C", NEW.serial COLLATE "C")
                  OR of_line AND product_id = NEW.product_id
                     AND state IN ('created', 'in_process', 'on_hold', 'released')
                     AND work_order_id IN (SELECT id FROM mes.work_order WHERE line_id = NEW.line_id)
               ORDER BY id FOR NO KEY UPDATE LOOP
        UPDATE mes.lot SET state = CASE
            WHEN mes.is_held(id) THEN 'on_hold'
            WHEN released_at IS NOT NULL THEN 'released'
            ELSE 'in_process' END
        WHERE id = subject COLLATE "C" AND (
            state IN ('created', 'in_process', 'released') AND mes.is_held(id)
            OR state = 'on_hold' AND NOT mes.is_held(id)
        );
    END LOOP;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION mes.lot_begins() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    line text;
BEGIN
    IF NEW.work_order_id IS NOT NULL THEN
        -- locked: an order can't be closed while a lot is made for it
        SELECT line_id INTO line FROM mes.work_order
        WHERE id = NEW.work_order_id AND state IN ('released', 'running') FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'work order % is neither released nor running', NEW.work_order_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'lot_of_an_order_at_work';
        END IF;
    END IF;
    -- quality may have held the number before the lot was registered under it, or all that the line makes
    NEW.state := CASE WHEN mes.is_held(NEW.id) OR EXISTS (
        SELECT FROM mes.hold WHERE released_at IS NULL AND line_id = line AND product_id = NEW.product_id
                               AND lot_id IS NULL AND serial IS NULL
    ) THEN 'on_hold' ELSE 'created' END;
    RETURN NEW;
END $$;
"""

# as migration 0008 made them
DOWN = """
CREATE OR REPLACE FUNCTION mes.is_held(lot text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM mes.hold WHERE released_at IS NULL AND serial COLLATE "C" = lot
    ) OR EXISTS (
        SELECT FROM mes.hold
        WHERE released_at IS NULL AND lot_id COLLATE "C" = lot
          AND NOT EXISTS (SELECT FROM mes.lot WHERE id = serial COLLATE "C")
    )
$$;
CREATE OR REPLACE FUNCTION mes.open_nonconformances(lot text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FROM mes.nonconformance
    WHERE state <> 'closed' AND (lot_id COLLATE "C" = lot OR serial COLLATE "C" = lot)
$$;
CREATE OR REPLACE FUNCTION mes.lot_follows_quality() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    subject text;
BEGIN
    FOR subject IN SELECT id FROM mes.lot WHERE id IN (NEW.lot_id COLLATE "C", NEW.serial COLLATE "C")
               ORDER BY id FOR NO KEY UPDATE LOOP
        UPDATE mes.lot SET state = CASE
            WHEN mes.is_held(id) THEN 'on_hold'
            WHEN released_at IS NOT NULL THEN 'released'
            ELSE 'in_process' END
        WHERE id = subject COLLATE "C" AND (
            state IN ('created', 'in_process', 'released') AND mes.is_held(id)
            OR state = 'on_hold' AND NOT mes.is_held(id)
        );
    END LOOP;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION mes.lot_begins() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.work_order_id IS NOT NULL THEN
        -- locked: an order can't be closed while a lot is made for it
        PERFORM FROM mes.work_order WHERE id = NEW.work_order_id AND state IN ('released', 'running') FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'work order % is neither released nor running', NEW.work_order_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'lot_of_an_order_at_work';
        END IF;
    END IF;
    -- quality may have held the number before the lot was registered under it
    NEW.state := CASE WHEN mes.is_held(NEW.id) THEN 'on_hold' ELSE 'created' END;
    RETURN NEW;
END $$;
DROP FUNCTION mes.holds_of(text), mes.nonconformances_of(text);
DROP INDEX mes.hold_active_line, mes.nonconformance_open_line;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
