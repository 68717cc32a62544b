"""Migrations that a release side by side with another can't have are refused, each with its reason."""

from __future__ import annotations

import re

import pytest
from alembic.script import ScriptDirectory
from expand_contract import RELEASED, faults, judged, sql
from future import CONTRACT, EXPAND, LATER, Release, Step, release

from kojo_mes.migrations.chain import FIRST, Chain, config

__all__ = ["release"]


def expand(statement: str) -> Step:
    return ("0026", 'phase = "expand"', statement)


def test_the_schemas_own_steps_are_sound() -> None:
    assert faults(RELEASED.read_text(encoding="utf-8").strip()) == []


def test_the_last_release_is_one_that_there_was() -> None:
    released = RELEASED.read_text(encoding="utf-8").strip()
    assert released in Chain.read()
    assert released >= FIRST


def test_every_step_there_ever_was_can_be_judged() -> None:
    texts = {step.revision: sql(step) for step in ScriptDirectory.from_config(config()).walk_revisions()}
    found = judged(texts)
    unread = {name for name, findings in found.items() if any(rule == "syntax-error" for _, rule, _ in findings)}
    assert unread == {"0007"}, "where squawk takes the column `values` for the keyword"
    # 0022 forbade what its forerunner wrote: had there been a release, it would have been refused
    assert "ban-new-write-restriction" in {rule for _, rule, _ in found["0022"]}


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("ALTER TABLE mes.line DROP COLUMN name", "ban-drop-column"),
        ("DROP TABLE mes.line_total", "ban-drop-table"),
        ("ALTER TABLE mes.line RENAME COLUMN name TO title", "renaming-column"),
        ("ALTER TABLE mes.line RENAME TO track", "renaming-table"),
        ("ALTER TABLE mes.line ADD colour text NOT NULL", "adding-required-field"),
        ("ALTER TABLE mes.line ALTER COLUMN area_id SET NOT NULL", "adding-not-nullable-field"),
        ("ALTER TABLE mes.line ALTER COLUMN name TYPE bytea USING NULL", "changing-column-type"),
        ("ALTER TABLE mes.line ALTER COLUMN name DROP NOT NULL", "ban-drop-not-null"),
        ("ALTER TABLE mes.line ALTER COLUMN name DROP DEFAULT", "ban-drop-default"),
        ("ALTER TABLE mes.lot DROP CONSTRAINT lot_release_is_signed", "ban-drop-constraint"),
        ("ALTER TABLE mes.line ADD CONSTRAINT short CHECK (id <> '') NOT VALID", "ban-new-write-restriction"),
        ("ALTER TABLE mes.line ADD CONSTRAINT short CHECK (id <> '')", "constraint-missing-not-valid"),
        ("CREATE UNIQUE INDEX once ON mes.line (name)", "ban-new-write-restriction"),
        ("DROP TRIGGER audit_change ON mes.line", "ban-drop-trigger"),
        ("ALTER TABLE mes.line DISABLE TRIGGER ALL", "ban-disable-trigger"),
        ("DROP FUNCTION mes.holds_of(text)", "ban-drop-function"),
        ("CREATE OR REPLACE FUNCTION mes.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "ban-replace-view-function"),
        ("DROP VIEW mes.work_order_material", "ban-drop-view"),
        ("REVOKE SELECT ON mes.line FROM kojo_app", "ban-revoke"),
        ("ALTER TABLE mes.line SET SCHEMA public", "ban-set-schema"),
        ("CREATE TRIGGER no BEFORE INSERT ON mes.line FOR EACH ROW EXECUTE FUNCTION mes.no()", "a new trigger may"),
        ("DO $$ BEGIN DROP TABLE mes.line; END $$", "a DO block hides"),
        ("SELECT 1; -- then\\n DELETE FROM mes.line", "it changes rows"),
        ("TRUNCATE mes.line_total", "it changes rows"),
        ("ALTER TABEL mes.line", "syntax-error"),
    ],
)
def test_what_takes_away_does_not_expand(release: Release, statement: str, says: str) -> None:
    release(expand(statement))
    found = faults("0025")
    assert [fault for fault in found if re.match(f"migration 0026: .*{says}", fault)], found


@pytest.mark.parametrize(
    "statement",
    [
        EXPAND[2],
        "ALTER TABLE mes.line ADD shade integer NOT NULL DEFAULT 0",
        "CREATE TABLE mes.colour (id text PRIMARY KEY, name text NOT NULL UNIQUE CHECK (name <> ''))",
        "CREATE TABLE mes.colour (id text PRIMARY KEY); CREATE TRIGGER no BEFORE DELETE ON mes.colour"
        " FOR EACH ROW EXECUTE FUNCTION mes.refuse_change(); CREATE UNIQUE INDEX once ON mes.colour (id)",
        "CREATE INDEX line_name ON mes.line (name); GRANT SELECT ON mes.line TO kojo_read",
        "CREATE FUNCTION mes.gone() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM mes.line; END $$",
        "COMMENT ON TABLE mes.line IS 'it''s old; DELETE FROM it'",
        "-- harmless: nobody has set a name yet\\nALTER TABLE mes.line DROP COLUMN name",
        "SELECT 1;\\n-- harmless: a spool\\nTRUNCATE mes.line_total",
    ],
)
def test_what_only_adds_expands(release: Release, statement: str) -> None:
    release(expand(statement))
    assert faults("0025") == []


def test_harmless_says_why(release: Release) -> None:
    release(expand("-- harmless:\\nALTER TABLE mes.line DROP COLUMN name"))
    assert len(faults("0025")) == 1


def test_contracting_comes_a_release_later(release: Release) -> None:
    release(EXPAND, CONTRACT)
    assert faults("0025") == [
        "migration 0027 completes 0026, which no release has yet (the last one knows 0025): "
        "release 0026 first, and contract in a later release"
    ]
    release(EXPAND, CONTRACT, LATER)
    assert faults("0026") == []


def test_contracting_locks_nothing_up_either(release: Release) -> None:
    check = "ALTER TABLE mes.line ADD CONSTRAINT short CHECK (id <> '')"
    release(("0026", 'phase = "contract"\ncompletes = "0025"', check))
    (fault,) = faults("0025")
    assert fault.startswith("migration 0026: constraint-missing-not-valid")
