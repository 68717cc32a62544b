"""Work orders, lots and genealogy."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

TYPES = """
CREATE DOMAIN mes.quantity AS numeric
    CONSTRAINT quantity_is_positive_and_finite CHECK (VALUE > 0 AND VALUE < 1000000000000 AND scale(VALUE) <= 6);
CREATE DOMAIN mes.unit AS text
    CONSTRAINT unit_is_known CHECK (VALUE IN ('pcs', 'kg', 'g', 't', 'l', 'ml', 'm', 'm2'));
CREATE DOMAIN mes.material_id AS text COLLATE "C"
    CONSTRAINT material_id_is_printable CHECK (VALUE ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$');

-- NULL for what isn't a unit of mass
CREATE FUNCTION mes.kilograms(unit text) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE unit WHEN 'kg' THEN 1 WHEN 'g' THEN 0.001 WHEN 't' THEN 1000 END
$$;
"""

ORDERS = """
CREATE TABLE mes.work_order (
    id mes.material_id PRIMARY KEY,
    line_id text NOT NULL REFERENCES mes.line,
    product_id text NOT NULL REFERENCES mes.product,
    quantity mes.quantity NOT NULL,
    unit mes.unit NOT NULL,
    due timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'planned' CHECK (
        state IN ('planned', 'released', 'running', 'paused', 'completed', 'closed', 'cancelled')
    ),
    version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz,
    CONSTRAINT work_order_pieces_are_whole CHECK (unit <> 'pcs' OR scale(trim_scale(quantity)) = 0),
    CONSTRAINT work_order_started CHECK (
        (state IN ('running', 'paused', 'completed', 'closed')) = (started_at IS NOT NULL)
    ),
    CONSTRAINT work_order_ended CHECK ((state IN ('completed', 'closed')) = (ended_at IS NOT NULL))
);
CREATE INDEX work_order_state ON mes.work_order (state, id);
CREATE INDEX work_order_line ON mes.work_order (line_id, id);
"""

LOTS = """
CREATE TABLE mes.lot (
    id mes.material_id PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('lot', 'serial')),
    product_id text NOT NULL REFERENCES mes.product,
    unit mes.unit NOT NULL,
    work_order_id mes.material_id REFERENCES mes.work_order,
    supplier text CHECK (btrim(supplier) <> ''),
    supplier_lot text CHECK (btrim(supplier_lot) <> ''),
    state text NOT NULL DEFAULT 'created' CHECK (
        state IN ('created', 'in_process', 'on_hold', 'released', 'consumed', 'shipped', 'scrapped')
    ),
    version integer NOT NULL DEFAULT 1,
    on_hand numeric NOT NULL DEFAULT 0,
    shipped numeric NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),

    released_at timestamptz,
    signed_version integer,
    signed_type text NOT NULL GENERATED ALWAYS AS ('lot') STORED,
    review text NOT NULL GENERATED ALWAYS AS ('review') STORED,
    reviewed_by text,
    reviewer_role text,
    release text NOT NULL GENERATED ALWAYS AS ('release') STORED,
    released_by text,
    releaser_role text NOT NULL GENERATED ALWAYS AS ('quality_manager') STORED,

    CONSTRAINT lot_comes_from_an_order_or_a_supplier CHECK (
        num_nonnulls(work_order_id, supplier) = 1 AND num_nulls(supplier, supplier_lot) IN (0, 2)
    ),
    CONSTRAINT lot_gives_no_more_than_it_has CHECK (on_hand >= 0 AND on_hand < 1000000000000),
    CONSTRAINT lot_shipped_is_not_negative CHECK (shipped >= 0),
    CONSTRAINT lot_serial_is_one_piece CHECK (kind = 'lot' OR (unit = 'pcs' AND on_hand <= 1)),
    CONSTRAINT lot_that_ended_is_empty CHECK (state NOT IN ('consumed', 'shipped', 'scrapped') OR on_hand = 0),
    CONSTRAINT lot_is_used_after_release CHECK (
        state NOT IN ('released', 'consumed', 'shipped') OR released_at IS NOT NULL
    ),
    -- A release stands on two signatures on one version of this very lot: the audit review's and the release's own.
    CONSTRAINT lot_release_is_whole CHECK (
        num_nulls(released_at, signed_version, reviewed_by, reviewer_role, released_by) IN (0, 5)
        AND reviewer_role IN ('quality_inspector', 'quality_manager')
    ),
    CONSTRAINT lot_audit_review_is_signed
        FOREIGN KEY (signed_type, id, signed_version, review, reviewed_by, reviewer_role)
        REFERENCES mes.signature (record_type, record_id, record_version, meaning, signer_id, role),
    CONSTRAINT lot_release_is_signed
        FOREIGN KEY (signed_type, id, signed_version, release, released_by, releaser_role)
        REFERENCES mes.signature (record_type, record_id, record_version, meaning, signer_id, role)
);
CREATE INDEX lot_state ON mes.lot (state, id);
CREATE INDEX lot_product ON mes.lot (product_id, id);
CREATE INDEX lot_work_order ON mes.lot (work_order_id, id) WHERE work_order_id IS NOT NULL;

-- ISA-95 part 4 calls them material actuals: what came in, was made, used up, sent away, thrown away.
CREATE TABLE mes.material_movement (
    id text COLLATE "C" PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('received', 'produced', 'consumed', 'shipped', 'scrapped')),
    lot_id mes.material_id NOT NULL REFERENCES mes.lot,
    into_lot_id mes.material_id REFERENCES mes.lot,
    work_order_id mes.material_id REFERENCES mes.work_order,
    quantity mes.quantity NOT NULL,
    unit mes.unit NOT NULL,
    time timestamptz NOT NULL,
    consignee text CHECK (btrim(consignee) <> ''),
    delivery text CHECK (btrim(delivery) <> ''),
    reason text CHECK (btrim(reason) <> ''),
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    -- which versions of the lots it made: what a version held can be told, and checked against its signatures, for ever
    lot_version integer NOT NULL,
    into_version integer,
    CONSTRAINT movement_pieces_are_whole CHECK (unit <> 'pcs' OR scale(trim_scale(quantity)) = 0),
    CONSTRAINT movement_into_another_lot CHECK (
        num_nonnulls(into_lot_id, into_version) = CASE kind WHEN 'consumed' THEN 2 ELSE 0 END
        AND into_lot_id IS DISTINCT FROM lot_id
    ),
    CONSTRAINT movement_shipped_to_somebody CHECK (
        num_nonnulls(consignee, delivery) = CASE kind WHEN 'shipped' THEN 2 ELSE 0 END
    ),
    CONSTRAINT movement_scrapped_for_a_reason CHECK ((kind = 'scrapped') = (reason IS NOT NULL)),
    CONSTRAINT movement_is_not_in_the_future CHECK (time <= recorded_at + interval '60 seconds')
);
-- the genealogy's edges, both ways: a walk reads these indexes and not the table
CREATE INDEX material_movement_forward ON mes.material_movement (lot_id, into_lot_id) INCLUDE (quantity, unit, time)
    WHERE kind = 'consumed';
CREATE INDEX material_movement_backward ON mes.material_movement (into_lot_id, lot_id) INCLUDE (quantity, unit, time)
    WHERE kind = 'consumed';
CREATE INDEX material_movement_lot ON mes.material_movement (lot_id, id);
CREATE INDEX material_movement_work_order ON mes.material_movement (work_order_id) WHERE work_order_id IS NOT NULL;

CREATE VIEW mes.work_order_material AS
    SELECT movement.work_order_id, movement.kind, lot.product_id, movement.unit, sum(movement.quantity) AS quantity
    FROM mes.material_movement AS movement JOIN mes.lot ON lot.id = movement.lot_id
    WHERE movement.work_order_id IS NOT NULL
    GROUP BY movement.work_order_id, movement.kind, lot.product_id, movement.unit;
"""

# A hold (migration 0007) of a serial number that isn't registered here holds its lot.
HOLDS = """
CREATE INDEX hold_active_lot ON mes.hold ((lot_id COLLATE "C")) WHERE released_at IS NULL;
CREATE INDEX hold_active_serial ON mes.hold ((serial COLLATE "C")) WHERE released_at IS NULL;
CREATE INDEX nonconformance_open_lot ON mes.nonconformance ((lot_id COLLATE "C")) WHERE state <> 'closed';
CREATE INDEX nonconformance_open_serial ON mes.nonconformance ((serial COLLATE "C")) WHERE state <> 'closed';

CREATE FUNCTION mes.is_held(lot text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM mes.hold WHERE released_at IS NULL AND serial COLLATE "C" = lot
    ) OR EXISTS (
        SELECT FROM mes.hold
        WHERE released_at IS NULL AND lot_id COLLATE "C" = lot
          AND NOT EXISTS (SELECT FROM mes.lot WHERE id = serial COLLATE "C")
    )
$$;
-- one of a serial number is its lot's too
CREATE FUNCTION mes.open_nonconformances(lot text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FROM mes.nonconformance
    WHERE state <> 'closed' AND (lot_id COLLATE "C" = lot OR serial COLLATE "C" = lot)
$$;

-- A lot's state follows its holds in their own transaction. Its row is locked before, and for a nonconformance too:
-- none can be opened beside a release, a booking or a shipment that doesn't see it.
CREATE FUNCTION mes.lot_follows_quality() RETURNS trigger
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
CREATE TRIGGER lot_follows AFTER INSERT OR UPDATE ON mes.hold
    FOR EACH ROW EXECUTE FUNCTION mes.lot_follows_quality();
CREATE TRIGGER lot_follows AFTER INSERT ON mes.nonconformance
    FOR EACH ROW EXECUTE FUNCTION mes.lot_follows_quality();
"""

MACHINES = """
-- The second line behind the service's state machines: whatever writes, these directions are the only ones.
CREATE FUNCTION mes.work_order_moves() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made numeric;
    used numeric;
BEGIN
    NEW.version := OLD.version + 1;
    IF (NEW.line_id, NEW.product_id, NEW.quantity, NEW.unit, NEW.due)
            IS DISTINCT FROM (OLD.line_id, OLD.product_id, OLD.quantity, OLD.unit, OLD.due)
       AND (OLD.state, NEW.state) <> ('planned', 'planned') THEN
        RAISE EXCEPTION 'a work order changes only while it is planned'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'work_order_changes_while_planned';
    END IF;
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    IF (OLD.state, NEW.state) NOT IN (
        ('planned', 'released'), ('planned', 'cancelled'),
        ('released', 'running'), ('released', 'cancelled'),
        ('running', 'paused'), ('running', 'completed'),
        ('paused', 'running'), ('paused', 'completed'),
        ('completed', 'closed')
    ) THEN
        RAISE EXCEPTION 'a work order can''t go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'work_order_transition';
    END IF;
    IF NEW.state IN ('closed', 'cancelled') AND EXISTS (
        SELECT FROM mes.lot WHERE work_order_id = NEW.id AND released_at IS NULL AND state <> 'scrapped'
    ) THEN
        RAISE EXCEPTION 'work order % has lots that are neither released nor scrapped', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'work_order_has_no_open_lots';
    END IF;
    IF NEW.state = 'completed' THEN
        -- NULL, so no comparison, when anything is counted in another unit than one of mass
        SELECT CASE WHEN bool_and(mes.kilograms(unit) IS NOT NULL) THEN
                   sum(quantity * mes.kilograms(unit)) FILTER (WHERE kind = 'produced') END,
               coalesce(sum(quantity * mes.kilograms(unit)) FILTER (WHERE kind = 'consumed'), 0)
        INTO made, used
        FROM mes.work_order_material WHERE work_order_id = NEW.id AND kind IN ('consumed', 'produced');
        IF made > used THEN
            RAISE EXCEPTION 'work order % made % kg out of % kg', NEW.id, trim_scale(made), trim_scale(used)
                USING ERRCODE = 'check_violation', CONSTRAINT = 'work_order_mass_balance';
        END IF;
        NEW.ended_at := now();
    END IF;
    IF NEW.state = 'running' THEN
        NEW.started_at := coalesce(OLD.started_at, now());
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves BEFORE UPDATE ON mes.work_order FOR EACH ROW EXECUTE FUNCTION mes.work_order_moves();

CREATE FUNCTION mes.lot_begins() RETURNS trigger
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
CREATE TRIGGER begins BEFORE INSERT ON mes.lot FOR EACH ROW EXECUTE FUNCTION mes.lot_begins();

CREATE FUNCTION mes.lot_moves() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.version := OLD.version + 1;
    IF OLD.released_at IS NOT NULL
       AND (NEW.released_at, NEW.signed_version, NEW.reviewed_by, NEW.reviewer_role, NEW.released_by) IS DISTINCT FROM
           (OLD.released_at, OLD.signed_version, OLD.reviewed_by, OLD.reviewer_role, OLD.released_by) THEN
        RAISE EXCEPTION 'a lot is released once'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'lot_is_released_once';
    END IF;
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    IF (OLD.state, NEW.state) NOT IN (
        ('created', 'in_process'), ('created', 'on_hold'), ('created', 'scrapped'),
        ('in_process', 'on_hold'), ('in_process', 'released'), ('in_process', 'scrapped'),
        ('on_hold', 'in_process'), ('on_hold', 'released'), ('on_hold', 'scrapped'),
        ('released', 'on_hold'), ('released', 'consumed'), ('released', 'shipped'), ('released', 'scrapped')
    )
    -- A hold ends where it began. With "inputs only before release, consumed only after" this rules cycles out:
    -- along any chain of edges the times of release rise.
    OR (OLD.state = 'on_hold' AND NEW.state <> 'scrapped'
        AND (NEW.state = 'released') <> (OLD.released_at IS NOT NULL)) THEN
        RAISE EXCEPTION 'lot % can''t go from % to %', NEW.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'lot_transition';
    END IF;
    IF NEW.state = 'on_hold' AND NOT mes.is_held(NEW.id) THEN
        RAISE EXCEPTION 'lot % has no hold', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'lot_is_not_held';
    END IF;
    IF (OLD.state = 'on_hold' AND NEW.state <> 'scrapped' OR NEW.state = 'released') AND mes.is_held(NEW.id) THEN
        RAISE EXCEPTION 'lot % is still held', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'lot_is_held';
    END IF;
    IF OLD.state = 'in_process' AND NEW.state = 'released' THEN
        IF mes.open_nonconformances(NEW.id) > 0 THEN
            RAISE EXCEPTION 'lot % has nonconformances that are not closed', NEW.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'lot_released_without_open_nonconformances';
        END IF;
        IF NEW.on_hand = 0 THEN
            RAISE EXCEPTION 'lot % is empty: there is nothing to release', NEW.id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'lot_released_with_content';
        END IF;
        IF NEW.signed_version IS DISTINCT FROM OLD.version THEN
            RAISE EXCEPTION 'lot % has version %, its signatures are on %', NEW.id, OLD.version, NEW.signed_version
                USING ERRCODE = 'check_violation', CONSTRAINT = 'lot_released_as_signed';
        END IF;
        NEW.released_at := now();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves BEFORE UPDATE ON mes.lot FOR EACH ROW EXECUTE FUNCTION mes.lot_moves();
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON mes.lot
    FOR EACH STATEMENT EXECUTE FUNCTION mes.refuse_change();
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON mes.work_order
    FOR EACH STATEMENT EXECUTE FUNCTION mes.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mes.material_movement
    FOR EACH STATEMENT EXECUTE FUNCTION mes.refuse_change();
ALTER TABLE mes.material_movement ENABLE ALWAYS TRIGGER append_only;
"""

# Locks go order first, then lots by id, as everywhere: nobody locks another out. What is on hand is never added up
# again: the row's own lock and CHECK keep it right however many book at once.
BOOKING = """
CREATE FUNCTION mes.material_movement_books() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    lot mes.lot;
    target mes.lot;
BEGIN
    SELECT work_order_id INTO NEW.work_order_id FROM mes.lot
    WHERE id = coalesce(NEW.into_lot_id, NEW.lot_id) AND (NEW.kind IN ('produced', 'consumed') OR released_at IS NULL);
    IF NEW.kind IN ('produced', 'consumed') THEN
        PERFORM FROM mes.work_order WHERE id = NEW.work_order_id AND state = 'running' FOR SHARE;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'lot % is not of a running work order', coalesce(NEW.into_lot_id, NEW.lot_id)
                USING ERRCODE = 'check_violation', CONSTRAINT = 'movement_of_a_running_order';
        END IF;
    END IF;

    PERFORM FROM mes.lot WHERE id IN (NEW.lot_id, NEW.into_lot_id) ORDER BY id FOR NO KEY UPDATE;
    SELECT * INTO lot FROM mes.lot WHERE id = NEW.lot_id;
    IF NOT FOUND THEN
        RETURN NEW;  -- the foreign key says so
    END IF;
    IF NEW.unit <> lot.unit THEN
        RAISE EXCEPTION 'lot % is measured in %, not in %', NEW.lot_id, lot.unit, NEW.unit
            USING ERRCODE = 'check_violation', CONSTRAINT = 'movement_in_the_lots_unit';
    END IF;
    IF lot.state <> ALL (CASE
        WHEN NEW.kind IN ('received', 'produced') THEN ARRAY['created', 'in_process']
        WHEN NEW.kind IN ('consumed', 'shipped') THEN ARRAY['released']
        ELSE ARRAY['created', 'in_process', 'on_hold', 'released'] END) THEN
        RAISE EXCEPTION 'lot % is %: it can''t be %', NEW.lot_id, lot.state, NEW.kind
            USING ERRCODE = 'check_violation', CONSTRAINT = 'movement_of_a_usable_lot';
    END IF;
    -- its state says so already, but for a lot that was registered in the very moment of the hold
    IF NEW.kind IN ('consumed', 'shipped') AND mes.is_held(NEW.lot_id) THEN
        RAISE EXCEPTION 'lot % is held: it can''t be %', NEW.lot_id, NEW.kind
            USING ERRCODE = 'check_violation', CONSTRAINT = 'lot_is_held';
    END IF;
    IF (NEW.kind = 'received' AND lot.supplier IS NULL) OR (NEW.kind = 'produced' AND lot.work_order_id IS NULL) THEN
        RAISE EXCEPTION 'lot % can''t be %', NEW.lot_id, NEW.kind
            USING ERRCODE = 'check_violation', CONSTRAINT = 'movement_as_the_lot_began';
    END IF;
    IF NEW.kind = 'consumed' THEN
        SELECT * INTO target FROM mes.lot WHERE id = NEW.into_lot_id;
        IF target.state NOT IN ('created', 'in_process') THEN
            RAISE EXCEPTION 'lot % is %: it takes nothing in any more', NEW.into_lot_id, target.state
                USING ERRCODE = 'check_violation', CONSTRAINT = 'movement_into_an_open_lot';
        END IF;
        UPDATE mes.lot SET state = 'in_process' WHERE id = NEW.into_lot_id RETURNING version INTO NEW.into_version;
    END IF;
    UPDATE mes.lot SET
        on_hand = CASE WHEN NEW.kind IN ('received', 'produced') THEN on_hand + NEW.quantity
                       ELSE on_hand - NEW.quantity END,
        shipped = CASE WHEN NEW.kind = 'shipped' THEN shipped + NEW.quantity ELSE shipped END,
        state = CASE WHEN NEW.kind IN ('received', 'produced') THEN 'in_process'
                     WHEN on_hand = NEW.quantity AND released_at IS NOT NULL THEN NEW.kind
                     ELSE state END
    WHERE id = NEW.lot_id RETURNING version INTO NEW.lot_version;
    RETURN NEW;
END $$;
CREATE TRIGGER books BEFORE INSERT ON mes.material_movement
    FOR EACH ROW EXECUTE FUNCTION mes.material_movement_books();
"""

# What is on hand, versions and times are the triggers' to set.
GRANTS = """
SELECT mes.audit_table('mes.work_order'), mes.audit_table('mes.lot'), mes.audit_table('mes.material_movement');
GRANT SELECT, INSERT (id, line_id, product_id, quantity, unit, due),
      UPDATE (line_id, product_id, quantity, unit, due, state) ON mes.work_order TO kojo_app;
GRANT SELECT, INSERT (id, kind, product_id, unit, work_order_id, supplier, supplier_lot),
      UPDATE (state, signed_version, reviewed_by, reviewer_role, released_by) ON mes.lot TO kojo_app;
GRANT SELECT, INSERT (id, kind, lot_id, into_lot_id, quantity, unit, time, consignee, delivery, reason, recorded_by)
      ON mes.material_movement TO kojo_app;
GRANT SELECT ON mes.work_order_material TO kojo_app;
GRANT SELECT ON mes.work_order, mes.lot, mes.material_movement, mes.work_order_material TO kojo_read, kojo_audit;
"""

DOWN = """
DROP TRIGGER lot_follows ON mes.hold;
DROP TRIGGER lot_follows ON mes.nonconformance;
DROP INDEX mes.hold_active_lot, mes.hold_active_serial, mes.nonconformance_open_lot, mes.nonconformance_open_serial;
DROP VIEW mes.work_order_material;
DROP TABLE mes.material_movement, mes.lot, mes.work_order;
DROP FUNCTION mes.material_movement_books(), mes.lot_moves(), mes.lot_begins(), mes.lot_follows_quality(),
              mes.is_held(text), mes.open_nonconformances(text), mes.work_order_moves(), mes.kilograms(text);
DROP DOMAIN mes.material_id, mes.unit, mes.quantity;
"""


def upgrade() -> None:
    for part in (TYPES, ORDERS, LOTS, HOLDS, MACHINES, BOOKING, GRANTS):
        op.execute(part)


def downgrade() -> None:
    op.execute(DOWN)
