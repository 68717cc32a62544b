"""People, job roles, sessions, devices and qualifications."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

UP = """
-- A row is a human being for ever: never deleted, its user name never another's (21 CFR 11.100(a)).
CREATE TABLE mes.person (
    id text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'),
    user_name text NOT NULL UNIQUE CHECK (user_name ~ '^[a-z][a-z0-9._-]{1,62}$'),
    name text NOT NULL CHECK (name ~ '^\\S(.{0,98}\\S)?$' AND name !~ '[[:cntrl:]]'),
    oidc_subject text UNIQUE CHECK (oidc_subject <> ''),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    deactivated_at timestamptz,
    version integer NOT NULL DEFAULT 1 CHECK (version > 0)
);
CREATE FUNCTION mes.person_stays() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.id <> OLD.id OR NEW.user_name <> OLD.user_name OR NEW.created_at <> OLD.created_at
       OR NEW.created_by <> OLD.created_by
       OR NEW.oidc_subject IS DISTINCT FROM coalesce(OLD.oidc_subject, NEW.oidc_subject) THEN
        RAISE integrity_constraint_violation USING
            MESSAGE = 'id, user name, origin and subject of a person never change', CONSTRAINT = 'person_is_one';
    END IF;
    IF OLD.deactivated_at IS NOT NULL THEN
        RAISE integrity_constraint_violation USING
            MESSAGE = 'a deactivated person stays as it was', CONSTRAINT = 'person_deactivated';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER person_stays BEFORE UPDATE ON mes.person FOR EACH ROW EXECUTE FUNCTION mes.person_stays();

-- Counters of attempts: apart from the person, whose versions they are not.
CREATE TABLE mes.lockout (
    person_id text PRIMARY KEY REFERENCES mes.person,
    failures integer NOT NULL CHECK (failures >= 0),
    locked_until timestamptz
);

-- Argon2id in the PHC string form; only the person's own choice comes here.
CREATE TABLE mes.password (
    person_id text PRIMARY KEY REFERENCES mes.person,
    hash text NOT NULL CHECK (hash LIKE '$argon2id$%'),
    set_at timestamptz NOT NULL
);

-- Whoever made it knows the token, never the password. One is open a person; it is used once.
CREATE TABLE mes.password_reset (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    person_id text NOT NULL REFERENCES mes.person,
    created_by text NOT NULL CHECK (created_by <> person_id),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    used_at timestamptz,
    voided_at timestamptz CHECK (voided_at IS NULL OR used_at IS NULL)
);
CREATE UNIQUE INDEX password_reset_open ON mes.password_reset (person_id) WHERE used_at IS NULL AND voided_at IS NULL;
CREATE INDEX password_reset_person ON mes.password_reset (person_id, used_at);

CREATE TABLE mes.role_grant (
    id text PRIMARY KEY,
    person_id text NOT NULL REFERENCES mes.person,
    role text NOT NULL CHECK (role IN ('operator', 'line_leader', 'maintenance', 'quality_inspector', 'quality_manager',
                                       'manufacturing_lead', 'devops_lead', 'auditor', 'administrator')),
    granted_by text NOT NULL CONSTRAINT role_grant_by_another CHECK (granted_by <> person_id),
    granted_at timestamptz NOT NULL DEFAULT now(),
    revoked_by text,
    revoked_at timestamptz,
    CHECK ((revoked_by IS NULL) = (revoked_at IS NULL))
);
CREATE UNIQUE INDEX role_grant_once ON mes.role_grant (person_id, role) WHERE revoked_at IS NULL;

-- Whoever administers accounts has no business of their own in the plant, and the other way round.
-- The person's row lock makes two grants at once wait for each other.
CREATE FUNCTION mes.role_grant_apart() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM mes.person WHERE id = NEW.person_id AND deactivated_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE integrity_constraint_violation USING
            MESSAGE = 'a deactivated person gets no role', CONSTRAINT = 'person_deactivated';
    END IF;
    IF EXISTS (SELECT FROM mes.role_grant WHERE person_id = NEW.person_id AND revoked_at IS NULL
               AND (role = 'administrator') <> (NEW.role = 'administrator')) THEN
        RAISE integrity_constraint_violation USING
            MESSAGE = 'an administrator has no other role', CONSTRAINT = 'role_grant_apart';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER role_grant_apart BEFORE INSERT ON mes.role_grant FOR EACH ROW EXECUTE FUNCTION mes.role_grant_apart();

-- A grant ends, once; it doesn't change otherwise. The same for qualifications.
CREATE FUNCTION mes.only_revoked() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.revoked_at IS NOT NULL
       OR to_jsonb(NEW) - '{revoked_at,revoked_by}'::text[] <> to_jsonb(OLD) - '{revoked_at,revoked_by}'::text[] THEN
        RAISE integrity_constraint_violation USING
            MESSAGE = format('a row of %s is only ever revoked, once', TG_TABLE_NAME), CONSTRAINT = 'only_revoked';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_revoked BEFORE UPDATE ON mes.role_grant FOR EACH ROW EXECUTE FUNCTION mes.only_revoked();

-- Training and experience for a role, with its end (11.10(i)).
CREATE TABLE mes.qualification (
    id text PRIMARY KEY,
    person_id text NOT NULL REFERENCES mes.person,
    role text NOT NULL CHECK (role IN ('operator', 'line_leader', 'maintenance', 'quality_inspector', 'quality_manager',
                                       'manufacturing_lead', 'devops_lead', 'auditor', 'administrator')),
    evidence text NOT NULL CHECK (evidence <> ''),
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL CHECK (valid_until > valid_from),
    recorded_by text NOT NULL CONSTRAINT qualification_by_another CHECK (recorded_by <> person_id),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    revoked_by text,
    revoked_at timestamptz,
    CHECK ((revoked_by IS NULL) = (revoked_at IS NULL))
);
CREATE INDEX qualification_person ON mes.qualification (person_id, role, valid_until);
CREATE TRIGGER only_revoked BEFORE UPDATE ON mes.qualification FOR EACH ROW EXECUTE FUNCTION mes.only_revoked();

-- Somebody saw the person and a document (11.100(b)). Who handed out a reset may not vouch for what came of it:
-- to sign as another then takes two (11.200(a)(3)).
CREATE TABLE mes.identity_proof (
    id text PRIMARY KEY,
    person_id text NOT NULL REFERENCES mes.person,
    method text NOT NULL CHECK (method IN ('official_document', 'personnel_record', 'known_in_person')),
    evidence text NOT NULL CHECK (evidence <> ''),
    proved_by text NOT NULL CONSTRAINT identity_proof_by_another CHECK (proved_by <> person_id),
    proved_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX identity_proof_person ON mes.identity_proof (person_id, proved_at);
CREATE FUNCTION mes.identity_proof_apart() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.proved_by = (SELECT created_by FROM mes.password_reset
                        WHERE person_id = NEW.person_id AND used_at IS NOT NULL ORDER BY used_at DESC LIMIT 1) THEN
        RAISE integrity_constraint_violation USING
            MESSAGE = 'whoever gave the reset does not prove the identity', CONSTRAINT = 'identity_proof_apart';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER identity_proof_apart BEFORE INSERT ON mes.identity_proof
    FOR EACH ROW EXECUTE FUNCTION mes.identity_proof_apart();

-- "My signature binds me as my hand does" (11.10(j)); a new text is acknowledged anew.
CREATE TABLE mes.acknowledgement (
    person_id text NOT NULL REFERENCES mes.person,
    policy text NOT NULL,
    acknowledged_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (person_id, policy)
);

CREATE TABLE mes.login_session (
    id text PRIMARY KEY,
    person_id text NOT NULL REFERENCES mes.person,
    method text NOT NULL CHECK (method IN ('password', 'oidc')),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    revoked_at timestamptz,
    revoked_because text CHECK ((revoked_because IS NULL) = (revoked_at IS NULL))
);
CREATE INDEX login_session_person ON mes.login_session (person_id) WHERE revoked_at IS NULL;

-- A family a session: each token is used once and names its successor.
CREATE TABLE mes.refresh_token (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    session_id text NOT NULL REFERENCES mes.login_session,
    issued_at timestamptz NOT NULL DEFAULT now(),
    successor_hash bytea UNIQUE
);
CREATE INDEX refresh_token_session ON mes.refresh_token (session_id);

CREATE TABLE mes.device (
    id text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'),
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    key_hash bytea NOT NULL UNIQUE CHECK (length(key_hash) = 32),
    key_set_at timestamptz NOT NULL,
    certificate_sha256 text UNIQUE CHECK (certificate_sha256 ~ '^[0-9a-f]{64}$'),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    deactivated_at timestamptz,
    version integer NOT NULL DEFAULT 1 CHECK (version > 0)
);
CREATE FUNCTION mes.device_stays() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.id <> OLD.id OR NEW.name <> OLD.name OR NEW.created_at <> OLD.created_at OR NEW.created_by <> OLD.created_by
       OR OLD.deactivated_at IS NOT NULL THEN
        RAISE integrity_constraint_violation USING
            MESSAGE = 'id, name and origin of a device never change, a deactivated one not at all',
            CONSTRAINT = 'device_is_one';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER device_stays BEFORE UPDATE ON mes.device FOR EACH ROW EXECUTE FUNCTION mes.device_stays();
CREATE TABLE mes.device_equipment (
    device_id text NOT NULL REFERENCES mes.device,
    equipment_id text NOT NULL REFERENCES mes.equipment,
    PRIMARY KEY (device_id, equipment_id)
);

GRANT SELECT, INSERT, UPDATE ON mes.person, mes.lockout, mes.password, mes.password_reset, mes.role_grant,
    mes.qualification, mes.login_session, mes.refresh_token, mes.device TO kojo_app;
GRANT SELECT, INSERT ON mes.identity_proof, mes.acknowledgement TO kojo_app;
GRANT SELECT, INSERT, DELETE ON mes.device_equipment TO kojo_app;
GRANT DELETE ON mes.refresh_token, mes.login_session TO kojo_app;
GRANT SELECT ON mes.person, mes.lockout, mes.role_grant, mes.qualification, mes.identity_proof, mes.acknowledgement,
    mes.login_session, mes.device_equipment TO kojo_audit;
GRANT SELECT (person_id, set_at) ON mes.password TO kojo_audit;
GRANT SELECT (person_id, created_by, created_at, expires_at, used_at, voided_at) ON mes.password_reset TO kojo_audit;
GRANT SELECT (id, name, key_set_at, certificate_sha256, created_by, created_at, deactivated_at, version)
    ON mes.device TO kojo_audit;
"""
# rows of these are kept; secrets stay out of the audit
KEPT = {
    "person": "",
    "password": "hash",
    "password_reset": "token_hash",
    "role_grant": "",
    "qualification": "",
    "identity_proof": "",
    "acknowledgement": "",
    "device": "key_hash",
}
KEEP = """
CREATE TRIGGER no_delete BEFORE DELETE ON mes.{table} FOR EACH ROW EXECUTE FUNCTION mes.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON mes.{table} FOR EACH STATEMENT EXECUTE FUNCTION mes.refuse_change();
ALTER TABLE mes.{table} ENABLE ALWAYS TRIGGER no_delete;
ALTER TABLE mes.{table} ENABLE ALWAYS TRIGGER no_truncate;
"""


def upgrade() -> None:
    op.execute(UP)
    for table, hidden in KEPT.items():
        op.execute(KEEP.format(table=table))
        op.execute(f"SELECT mes.audit_table('mes.{table}'" + (f", '{hidden}')" if hidden else ")"))
    op.execute("SELECT mes.audit_table('mes.device_equipment')")


def downgrade() -> None:
    op.execute(
        "DROP TABLE mes.device_equipment, mes.device, mes.refresh_token, mes.login_session, mes.acknowledgement,"
        " mes.identity_proof, mes.qualification, mes.role_grant, mes.password_reset, mes.password, mes.lockout,"
        " mes.person;"
        "DROP FUNCTION mes.person_stays(), mes.role_grant_apart(), mes.only_revoked(), mes.identity_proof_apart(),"
        " mes.device_stays()"
    )
