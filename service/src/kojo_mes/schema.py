"""Which schema the database has, which releases run on it, and what this release would make of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from kojo_mes.kit.orm import SCHEMA
from kojo_mes.kit.settings import MigrationSettings
from kojo_mes.migrations.chain import Chain

VERSION_TABLE = f"{SCHEMA}.alembic_version"


@dataclass(frozen=True)
class LiveSchema:
    """Its revision (None: there is none), and the newest revision that a release must know to run on it (None: any)."""

    revision: str | None
    needs: str | None

    @classmethod
    def read(cls, connection: Connection) -> LiveSchema:
        context = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
        # beside the revision, because a release that doesn't know the revision must be able to read it
        needs = connection.execute(text(f"SELECT obj_description(to_regclass('{VERSION_TABLE}'), 'pg_class')"))
        return cls(context.get_current_revision(), needs.scalar_one())

    def is_ahead_of(self, chain: Chain) -> bool:
        """Whether later releases made it what it is, and took nothing away that CHAIN's code uses."""
        return (self.needs or "") <= chain.newest < (self.revision or "")


def note(connection: Connection, needs: str | None) -> None:
    """Say in the database what a release must know to run on it."""
    literal = f"'{needs}'" if needs else "NULL"
    connection.execute(text(f"COMMENT ON TABLE {VERSION_TABLE} IS {literal}"))


def engine(settings: MigrationSettings) -> Engine:
    return create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(settings.conninfo()), poolclass=NullPool
    )


def of_release(chain: Chain) -> dict[str, Any]:
    """{release: {min, max}}: the oldest revision that this release runs on, and the newest that it knows."""
    return {"release": {"min": chain.oldest, "max": chain.newest}}


def of_database(settings: MigrationSettings, chain: Chain) -> dict[str, Any]:
    """{live: {revision, needs}, pending: [{revision, phase, completes}], expanded: {revision, needs}}.

    PENDING is what this release knows and the database hasn't seen; EXPANDED what `migrate --to expand` leads to.
    """
    with engine(settings).connect() as connection:
        live = LiveSchema.read(connection)
    revision = max(live.revision or "", chain.oldest)
    needs = max(live.needs or "", chain.needs(revision) or "") or None
    return {
        "live": asdict(live),
        "pending": [asdict(step) for step in chain.after(live.revision)],
        "expanded": asdict(LiveSchema(revision, needs)),
    }
