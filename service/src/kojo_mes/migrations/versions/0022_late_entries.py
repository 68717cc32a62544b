"""What is entered long after it happened has a reason, and what was held or not released then wasn't used then."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

# By the row's own two times: what was in time stays so. Rows of before this rule stay as they are. The minute is for
# what is judged in time and stored a moment later.
REASONS = """
ALTER TABLE mes.quality_check
    ADD late_entry_reason text CHECK (btrim(late_entry_reason) <> ''),
    ADD CONSTRAINT quality_check_late_entry_has_a_reason CHECK (
        late_entry_reason IS NOT NULL OR recorded_at - measured_at <= interval '24 hours 1 minute') NOT VALID;
ALTER TABLE mes.material_movement
    ADD late_entry_reason text CHECK (btrim(late_entry_reason) <> ''),
    ADD CONSTRAINT movement_late_entry_has_a_reason CHECK (
        late_entry_reason IS NOT NULL OR recorded_at - time <= interval '24 hours 1 minute') NOT VALID;
GRANT INSERT (late_entry_reason) ON mes.material_movement TO kojo_app;
-- signals are counted when they come; a correction has its reason in the audit trail
ALTER TABLE mes.production_count
    ADD late_entry_reason text CHECK (btrim(late_entry_reason) <> ''),
    ADD CONSTRAINT production_count_late_entry_has_a_reason CHECK (
        source <> 'record' OR version > 1 OR late_entry_reason IS NOT NULL
        OR recorded_at - to_time <= interval '24 hours 1 minute') NOT VALID;
"""

THEN = """
CREATE INDEX hold_released ON mes.hold (released_at) WHERE released_at IS NOT NULL;
-- Holds that are over, and were not at that time, give or take a minute of the sender's clock. Whose they are: as
-- mes.holds_of (migration 0020) says of those that are active.
CREATE FUNCTION mes.past_holds_of(lot text, moment timestamptz) RETURNS SETOF mes.hold
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT hold.* FROM mes.hold AS hold
    WHERE hold.released_at > moment + interval '60 seconds' AND hold.placed_at < moment - interval '60 seconds' AND (
        hold.serial COLLATE "C" = lot
        OR hold.lot_id COLLATE "C" = lot AND hold.serial COLLATE "C" IS DISTINCT FROM lot
           AND NOT EXISTS (SELECT FROM mes.lot WHERE id = hold.serial COLLATE "C")
        OR hold.lot_id IS NULL AND hold.serial IS NULL AND EXISTS (
            SELECT FROM mes.lot AS made JOIN mes.work_order AS work ON work.id = made.work_order_id
            WHERE made.id = lot AND work.line_id = hold.line_id AND made.product_id = hold.product_id))
$$;
GRANT EXECUTE ON FUNCTION mes.past_holds_of(text, timestamptz) TO kojo_app;

CREATE FUNCTION mes.movement_of_a_lot_usable_then() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM mes.lot WHERE id = NEW.lot_id AND released_at > NEW.time + interval '60 seconds') THEN
        RAISE EXCEPTION 'lot % was not released at %', NEW.lot_id, NEW.time
            USING ERRCODE = 'check_violation', CONSTRAINT = 'movement_after_the_release';
    END IF;
    IF EXISTS (SELECT FROM mes.past_holds_of(NEW.lot_id, NEW.time)) THEN
        RAISE EXCEPTION 'lot % was held at %', NEW.lot_id, NEW.time
            USING ERRCODE = 'check_violation', CONSTRAINT = 'movement_of_a_lot_not_held_then';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER usable_then BEFORE INSERT ON mes.material_movement
    FOR EACH ROW WHEN (NEW.kind IN ('consumed', 'shipped')) EXECUTE FUNCTION mes.movement_of_a_lot_usable_then();
"""

DOWN = """
DROP TRIGGER usable_then ON mes.material_movement;
DROP FUNCTION mes.movement_of_a_lot_usable_then(), mes.past_holds_of(text, timestamptz);
DROP INDEX mes.hold_released;
ALTER TABLE mes.production_count DROP COLUMN late_entry_reason;
ALTER TABLE mes.material_movement DROP COLUMN late_entry_reason;
ALTER TABLE mes.quality_check DROP COLUMN late_entry_reason;
"""


def upgrade() -> None:
    op.execute(REASONS)
    op.execute(THEN)


def downgrade() -> None:
    op.execute(DOWN)
