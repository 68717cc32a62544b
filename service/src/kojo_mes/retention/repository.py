"""SQL of retention. Archives are long streams: they go through psycopg's own cursors, as the tables' owner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import text

from kojo_mes.kit.canonical import parse, plain
from kojo_mes.kit.database import WriteSession
from kojo_mes.retention.archive import Body, Class

STEP = 5000  # rows that the server hands over at once
HOLD = text("SELECT mes.hold_months()")


@dataclass(frozen=True)
class Stored:
    """How a class is kept: its partitions' name, the order of its rows, and what names one."""

    partition: str
    key: tuple[str, ...]
    json: tuple[str, ...] = ()

    def identify(self, row: dict[str, Any]) -> str:
        """Of a row of the database, or of its line in an archive."""
        return "/".join(str(plain(row[name])) for name in self.key)


STORED = {
    Class.AUDIT: Stored("audit_event", ("id",), ("old", "new")),
    Class.READINGS: Stored("reading", ("sensor_id", "time")),
}


async def hold(session: WriteSession) -> int:
    """Months that have rows are held from now on; how many are new."""
    return int((await session.execute(HOLD)).scalar_one())


def columns_of(connection: psycopg.Connection, kind: Class) -> tuple[str, ...]:
    """As the table has them now: a later migration's column is archived as well."""
    rows = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " ORDER BY attnum",
        (f"mes.{STORED[kind].partition}",),
    )
    return tuple(row[0] for row in rows)


def closed(connection: psycopg.Connection, kind: Class, month: date) -> bool:
    """Will the month take no more rows?"""
    row = connection.execute(
        "SELECT %s::date + interval '1 month' + late < now() FROM mes.retention_class WHERE kind = %s", (month, kind)
    ).fetchone()
    return bool(row and row[0])


def partition(kind: Class, month: date) -> sql.Identifier:
    return sql.Identifier("mes", f"{STORED[kind].partition}_{month:%Y_%m}")


def rows(connection: psycopg.Connection, kind: Class, table: sql.Composable) -> Iterator[dict[str, Any]]:
    """In the order of the key; JSON columns in the form that is sealed. The transaction stays open meanwhile."""
    stored = STORED[kind]
    wanted = sql.SQL(", ").join(
        sql.SQL("{0}::text AS {0}").format(sql.Identifier(name))
        if name in (*stored.json, "xid")
        else sql.Identifier(name)
        for name in columns_of(connection, kind)
    )
    order = sql.SQL(", ").join(map(sql.Identifier, stored.key))
    query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(wanted, table, order)
    with connection.cursor("archive", row_factory=dict_row) as cursor:
        cursor.itersize = STEP
        for row in cursor.execute(query):
            yield row | {name: parse(row[name]) for name in stored.json if row[name] is not None}


def scratch(connection: psycopg.Connection, kind: Class) -> sql.Identifier:
    """An empty table of the class's form, gone with the transaction."""
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE restored (LIKE {}) ON COMMIT DROP").format(
            sql.Identifier("mes", STORED[kind].partition)
        )
    )
    return sql.Identifier("restored")


def keep_as(connection: psycopg.Connection, kind: Class, name: str) -> sql.Identifier:
    """An empty table of the class's form that stays."""
    table = sql.Identifier("mes", name)
    connection.execute(
        sql.SQL("CREATE TABLE {} (LIKE {})").format(table, sql.Identifier("mes", STORED[kind].partition))
    )
    return table


def copy_in(
    connection: psycopg.Connection,
    kind: Class,
    table: sql.Composable,
    archived: Iterable[dict[str, Any]],
    as_json: Callable[[Any], str],
) -> None:
    stored, columns = STORED[kind], columns_of(connection, kind)
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    with (
        connection.cursor() as cursor,
        cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(table, names)) as copy,
    ):
        for row in archived:
            copy.write_row(
                [
                    as_json(row[name]) if name in stored.json and row.get(name) is not None else row.get(name)
                    for name in columns
                ]
            )


def remember(connection: psycopg.Connection, body: Body, manifest: str) -> None:
    connection.execute(
        "INSERT INTO mes.archive (kind, month, rows, first_id, last_id, root, manifest)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (body.archive, body.month, body.rows, body.first_id, body.last_id, bytes.fromhex(body.root), manifest),
    )


def checked(connection: psycopg.Connection, body: Body) -> None:
    connection.execute(
        "INSERT INTO mes.archive_check (kind, month, root) VALUES (%s, %s, %s)",
        (body.archive, body.month, bytes.fromhex(body.root)),
    )


def detach(connection: psycopg.Connection, kind: Class, month: date) -> str:
    row = connection.execute("SELECT mes.detach_month(%s, %s)", (kind, month)).fetchone()
    assert row
    return str(row[0])
