"""SQL of retention. Archives are long streams: they go through psycopg's own cursors, as the tables' owner."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import Row, text

from kojo_mes.kit.canonical import parse, plain
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.retention.archive import Body, Class

STEP = 5000  # rows that the server hands over at once
HOLD = text("SELECT mes.hold_months()")
# held months that are closed and have no archive, and since when they could have had one
DUE = """
    SELECT kind, month, now() - (month + interval '1 month' + late) AS overdue
    FROM mes.retention_class AS class
    JOIN (SELECT 'audit' AS kind, month FROM mes.audit_hold
          UNION ALL SELECT 'readings', month FROM mes.readings_hold) AS hold USING (kind)
    WHERE month + interval '1 month' + late < now()
      AND NOT EXISTS (SELECT FROM mes.archive WHERE archive.kind = hold.kind AND archive.month = hold.month)
    ORDER BY month, kind
"""
OVERDUE = text(f"""
    SELECT kind, CAST(coalesce(extract(epoch FROM max(overdue)), 0) AS double precision) AS seconds
    FROM mes.retention_class LEFT JOIN ({DUE}) AS due USING (kind) GROUP BY kind
""")  # noqa: S608
LISTED = text("""
    SELECT kind, month, rows, first_id, last_id, encode(root, 'hex') AS root, made_at,
           (SELECT max(checked_at) FROM mes.archive_check AS done
            WHERE (done.kind, done.month, done.root) = (archive.kind, archive.month, archive.root)) AS checked_at
    FROM mes.archive
    WHERE (CAST(month AS text), kind, encode(root, 'hex')) > (:month, :kind, :root)
    ORDER BY CAST(month AS text), kind, encode(root, 'hex') LIMIT :limit
""")


@dataclass(frozen=True)
class Stored:
    """How a class is kept: its partitions' name, the order of its rows, and what names one."""

    partition: str
    key: tuple[str, ...]
    time: str
    json: tuple[str, ...] = ()

    def identify(self, row: dict[str, Any]) -> str:
        """Of a row of the database, or of its line in an archive."""
        return "/".join(str(plain(row[name])) for name in self.key)


STORED = {
    Class.AUDIT: Stored("audit_event", ("id",), "at", ("old", "new")),
    Class.READINGS: Stored("reading", ("sensor_id", "time"), "time"),
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


def due(connection: psycopg.Connection) -> list[tuple[Class, date]]:
    """Months that are closed and not archived, the oldest first."""
    return [(Class(kind), month) for kind, month, _ in connection.execute(DUE.encode()).fetchall()]


def be_the_one(connection: psycopg.Connection) -> bool:
    """Until the connection's end, at most one archivist in the plant gets true."""
    row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended('kojo-mes archive', 0))").fetchone()
    return bool(row and row[0])


async def overdue(session: ReadSession) -> dict[str, float]:
    """By kind, for how many seconds the oldest unarchived month could have had an archive; 0 when none waits."""
    return {row.kind: row.seconds for row in await session.execute(OVERDUE)}


async def listed(session: ReadSession, after: tuple[str, str, str], limit: int) -> Sequence[Row[Any]]:
    """Archives as they were noted, by month, kind and root."""
    keys = dict(zip(("month", "kind", "root"), after, strict=True))
    return (await session.execute(LISTED, {**keys, "limit": limit})).all()


def of_month(kind: Class, month: date) -> sql.Composable:
    """A month of the table, for `rows`: who may read the table need not be able to read its parts by their names."""
    stored = STORED[kind]
    following = (month.replace(day=28) + timedelta(days=4)).replace(day=1)
    return sql.SQL("{table} WHERE {time} >= {start} AND {time} < {end}").format(
        table=sql.Identifier("mes", stored.partition),
        time=sql.Identifier(stored.time),
        start=sql.Literal(f"{month}T00:00:00Z"),
        end=sql.Literal(f"{following}T00:00:00Z"),
    )


def rows(
    connection: psycopg.Connection, kind: Class, table: sql.Composable, archived: Container[str] | None = None
) -> Iterator[dict[str, Any]]:
    """In the order of the key; JSON columns in the form that is sealed. The transaction stays open meanwhile.

    `archived`: the columns of an archive, which has none that a later migration added.
    """
    stored = STORED[kind]
    wanted = sql.SQL(", ").join(
        sql.SQL("{0}::text AS {0}").format(sql.Identifier(name))
        if name in (*stored.json, "xid")
        else sql.Identifier(name)
        for name in columns_of(connection, kind)
        if archived is None or name in archived
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
