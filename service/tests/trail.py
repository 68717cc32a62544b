"""An audit trail for tests: rows, seals, and the sealer's own file."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

import psycopg
from authority import seal_key
from psycopg import sql

from kojo_mes.audit import repository, sealer
from kojo_mes.kit.audit import RecordRef, record
from kojo_mes.kit.database import Database, WriteSession
from kojo_mes.kit.keys import Keys, Signer
from kojo_mes.kit.security import Actor

ACTOR = Actor("person", "p-1", "工場 花子", frozenset({"quality_manager"}), "request-1", None)


def unguarded(admin: psycopg.Connection) -> None:
    """As a superuser can make it: no trigger stands in the way, on no partition."""
    tables = admin.execute("SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'no_truncate'")
    for (table,) in tables.fetchall():
        admin.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(sql.Identifier(*table.split("."))))


def guarded(admin: psycopg.Connection) -> None:
    """As the migrations made it."""
    triggers = admin.execute(
        "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgenabled = 'D' AND NOT tgisinternal"
    )
    for table, trigger in triggers.fetchall():
        statement = sql.SQL("ALTER TABLE {} ENABLE ALWAYS TRIGGER {}")
        admin.execute(statement.format(sql.Identifier(*table.split(".")), sql.Identifier(trigger)))


def forget(admin: psycopg.Connection) -> None:
    """The rows that migrations left: a test's own begin with number 1."""
    unguarded(admin)
    admin.execute("TRUNCATE mes.audit_event, mes.audit_seal, mes.audit_hold RESTART IDENTITY")
    guarded(admin)


def begin_anew(admin: psycopg.Connection) -> None:
    """After `forget`: the trail tells of the plant's rows as they are, like a migration does."""
    migration = importlib.import_module("kojo_mes.migrations.versions.0013_records")
    for table, key in (migration.UNTOLD | {"product": "id", "ideal_cycle_time": "id"}).items():
        admin.execute(migration.PRESENT.format(table=table, key=key).encode())


@dataclass(frozen=True)
class Trail:
    database: Database
    signer: Signer
    keys: Keys
    folder: Path

    @classmethod
    def begin(cls, database: Database, folder: Path) -> Trail:
        path = seal_key(folder)
        seals = folder / "seals"
        seals.mkdir()
        return cls(database, Signer.of_file(path), Keys.of_files([path.with_suffix(".pub")]), folder)

    @property
    def seals(self) -> Path:
        return self.folder / "seals"

    async def write(self, count: int, record_type: str = "lot", action: str = "lots:change") -> None:
        async def work(session: WriteSession) -> None:
            for number in range(count):
                await record(
                    session,
                    ACTOR,
                    action,
                    RecordRef(record_type, f"L-{number}", 1),
                    old={"mass": 1.5},
                    new={"mass": 2.5},
                )

        await self.database.write(work)

    async def seal(self) -> int:
        count = await sealer.seal(self.database, self.signer)
        last = await self.database.read(repository.last_seal)
        assert last
        await sealer.publish(self.database, self.seals, last.number)
        return count
