"""Brings the schema, the plant's lines and the partitions up to date, in one transaction."""

from __future__ import annotations

import psycopg
from alembic import command
from alembic.util import CommandError
from sqlalchemy import Connection, text

from kojo_mes.audit.repository import make_partitions as make_audit_partitions
from kojo_mes.kit import console
from kojo_mes.kit.audit import RecordRef, record_by_command
from kojo_mes.kit.orm import SCHEMA
from kojo_mes.kit.settings import MigrationSettings
from kojo_mes.lines.plant import Plant
from kojo_mes.lines.repository import synchronise
from kojo_mes.migrations.chain import Chain, config
from kojo_mes.products.repository import synchronise as synchronise_products
from kojo_mes.readings.repository import make_partitions
from kojo_mes.schema import LiveSchema, engine, note
from kojo_mes.shifts.page_repository import synchronise as synchronise_shifts

HEAD = "head"
BASE = "base"
EXPAND = "expand"  # as far as this release's code needs: what is left only takes away


def migrate(settings: MigrationSettings, plant: Plant, target: str = HEAD, *, dry_run: bool = False) -> list[str]:
    """What changed (in a dry run: what would), a line each; empty when there was nothing to do."""
    with engine(settings).connect() as connection, connection.begin() as transaction:
        _alone(connection)
        changes = _migrate(connection, plant, target, dry_run)
        if dry_run:
            transaction.rollback()
        elif changes:
            _record(connection, changes)
    return changes


def _record(connection: Connection, changes: list[str]) -> None:
    """A migration is no change past the service: it is on record, unless it took the trail itself down."""
    if connection.execute(text("SELECT to_regclass('mes.audit_event')")).scalar_one():
        ref = RecordRef("schema", SCHEMA)
        record_by_command(_driver(connection), console.actor(), "schema:migrate", ref, new={"changes": changes})


def _driver(connection: Connection) -> psycopg.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def _alone(connection: Connection) -> None:
    """One migration at a time; and one that can't get its locks gives up instead of stopping the plant."""
    connection.execute(text("SET LOCAL lock_timeout = '60s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('kojo-mes migrate', 0))"))
    connection.execute(text("SET LOCAL lock_timeout = '5s'"))


def _migrate(connection: Connection, plant: Plant, target: str, dry_run: bool) -> list[str]:
    chain = Chain.read()
    live = LiveSchema.read(connection)
    present, wanted = live.revision, _wanted(chain, live, target)
    changes = []
    if present != wanted:
        changes.append(f"schema: {present or BASE} → {wanted or BASE}")
        if dry_run:
            return changes
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        alembic = config()
        alembic.attributes["connection"] = connection
        older = (wanted or "") < (present or "")
        (command.downgrade if older else command.upgrade)(alembic, wanted or BASE)
        if (needs := chain.needs(wanted)) != live.needs:
            note(connection, needs)
    if wanted is None or wanted < chain.oldest:
        return changes
    if rows := synchronise(connection, plant):
        changes.append(f"plant: {len(rows)} rows of lines, equipment and sensors")
    if times := synchronise_products(connection, plant):
        changes.append(f"plant: {len(times)} products and ideal cycle times")
    if shifts := synchronise_shifts(connection, plant):
        changes.append(f"plant: {len(shifts)} shift patterns")
    if made := make_partitions(connection):
        changes.append(f"readings: {made} partitions")
    if made := make_audit_partitions(connection):
        changes.append(f"audit: {made} partitions")
    for change in rows + times + shifts:
        ref = RecordRef(change.record, change.id)
        record_by_command(
            _driver(connection), console.actor(), "plant:synchronise", ref, old=change.old, new=change.new
        )
    return changes


def _wanted(chain: Chain, live: LiveSchema, target: str) -> str | None:
    if live.revision and live.revision not in chain:
        if target in (HEAD, EXPAND) and live.is_ahead_of(chain):
            return live.revision
        needs = f", which needs a release that knows {live.needs}" if live.needs else ""
        raise CommandError(
            f"the database has schema {live.revision}{needs}, and this release knows those up to {chain.newest}: "
            "take a later release"
        )
    if target == EXPAND:
        return max(live.revision or "", chain.oldest)
    if target in (HEAD, BASE):
        return chain.newest if target == HEAD else None
    if target not in chain:
        raise CommandError(f"there is no revision {target}; this release knows those up to {chain.newest}")
    return target
