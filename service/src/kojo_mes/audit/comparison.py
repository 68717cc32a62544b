"""Holds the database's records against the trail: what its entries say of a row, taken together, is what the row says.

The trail's rows are taken as they are; that they are the ones that were sealed is for an export's own verification.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import text

from kojo_mes.audit.findings import Finding, Kind, Report
from kojo_mes.audit.tables import TABLES, Table, Told
from kojo_mes.kit.database import Database, ReadSession

LONGEST = 3600.0  # seconds a table

# secrets can't be read by an auditor, and bytes have another form in an entry
COLUMNS = text("""
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = 'mes' AND table_name = :name AND data_type <> 'bytea' ORDER BY ordinal_position
""")
DETACHED = text("""
    SELECT to_char(min(month), 'YYYY-MM') FROM mes.archive
    WHERE kind = 'audit' AND NOT EXISTS (
        SELECT FROM pg_inherits WHERE inhparent = 'mes.audit_event'::regclass
            AND inhrelid = to_regclass('mes.audit_event_' || to_char(month, 'YYYY_MM')))
""")
ROWS = "'schema:present', 'plant:synchronise'"  # the service's entries that have a table's columns
GONE = "''"  # the name of a mark beside the columns: the row was deleted


async def verify_records(database: Database, report: Report) -> None:
    """Raises Finding at the first record that the trail does not tell of as it is; DatabaseUnavailable."""
    detached = await database.read(_detached)
    if detached:
        report.notes.append(f"months of the trail were detached, {detached} first: rows without an entry are not told")
    for table in TABLES:
        await database.read(partial(_verify, table, not detached, report), deadline=LONGEST)


async def _detached(session: ReadSession) -> str | None:
    """The first month of the trail that is only an archive any more."""
    month: str | None = (await session.execute(DETACHED)).scalar_one()
    return month


async def _verify(table: Table, trail_is_whole: bool, report: Report, session: ReadSession) -> None:
    columns = list(await session.scalars(COLUMNS, {"name": table.name}))
    query = _first_bad(table, columns, whole=table.whole and trail_is_whole)
    row = (await session.execute(text(query))).one()
    if row.fault is not None:
        raise _finding(table, row)
    report.records += row.records


def _finding(table: Table, row: Any) -> Finding:
    what = f"{table.name} {'/'.join(row.key)}"
    by = f"the last entry about it is {row.entry}"
    detail = {
        Kind.INSERTED: "no entry of the trail tells of it",
        Kind.REMOVED: f"it is not there; {by}",
        Kind.EDITED: f"{', '.join(row.differing or ['it'])}: not as the trail has it; {by}",
    }[Kind(row.fault)]
    return Finding(Kind(row.fault), f"mes.{table.name}", None, what, detail)


def _first_bad(table: Table, columns: list[str], *, whole: bool) -> str:
    """One row: how many records there are, and what is wrong with the first that is not as the trail has it."""
    key = ", ".join(table.key)
    entries = " UNION ALL ".join(
        [_own(table), *(_told(told, columns, table) for told in table.told)],
    )
    compared = [name for name in columns if name not in table.moved and name not in table.key]
    differing = ", ".join(
        f"CASE WHEN said ? '{name}' AND wanted.{name} IS DISTINCT FROM present.{name} THEN '{name}' END"
        for name in compared
    )
    return f"""
        WITH entry AS ({entries}),
        expected AS (
            SELECT {key}, jsonb_object_agg(field.key, field.value ORDER BY xid, entry) AS said, max(entry) AS entry
            FROM (SELECT xid, entry, said, {", ".join(f"subject.{name}" for name in table.key)}
                  FROM entry CROSS JOIN LATERAL jsonb_populate_record(CAST(NULL AS mes.{table.name}), said) AS subject
                 ) AS entry CROSS JOIN LATERAL jsonb_each(said) AS field
            WHERE {" AND ".join(f"{name} IS NOT NULL" for name in table.key)}
            GROUP BY {key}
        ),
        bad AS (
            SELECT {", ".join(f"subject.{name}" for name in table.key)}, entry, differing, CASE
                WHEN present.{table.key[0]} IS NULL AND {table.kept} AND NOT CAST(said -> {GONE} AS boolean)
                    THEN 'removed'
                WHEN said IS NULL AND {whole} THEN 'inserted'
                WHEN present.{table.key[0]} IS NOT NULL
                     AND (differing <> '{{}}' OR CAST(said -> {GONE} AS boolean)) THEN 'edited'
                END AS fault
            FROM mes.{table.name} AS present FULL JOIN expected USING ({key}) AS subject
            CROSS JOIN LATERAL jsonb_populate_record(CAST(NULL AS mes.{table.name}), coalesce(said, '{{}}')) AS wanted
            CROSS JOIN LATERAL (SELECT array_remove(CAST(ARRAY[{differing}] AS text[]), NULL)) AS compared (differing)
        )
        SELECT (SELECT count(*) FROM mes.{table.name}) AS records, first.*
        FROM (VALUES (1)) AS one LEFT JOIN LATERAL (
            SELECT fault, ARRAY[{", ".join(f"CAST({name} AS text)" for name in table.key)}] AS key, entry, differing
            FROM bad WHERE fault IS NOT NULL ORDER BY {key} LIMIT 1
        ) AS first ON true
    """  # noqa: S608  # names are our own


def _own(table: Table) -> str:
    """What the table's own trigger and migrations wrote: rows, or what the plant's page changed of them."""
    key = f"jsonb_build_object('{table.key[0]}', record_id)" if len(table.key) == 1 else "CAST('{}' AS jsonb)"
    return f"""
        SELECT xid, id AS entry, {key} || coalesce(new, old) || jsonb_build_object({GONE}, new IS NULL) AS said
        FROM mes.audit_event
        WHERE record_type = '{table.name}' AND coalesce(new, old) IS NOT NULL
          AND (source = 'database' OR action IN ({ROWS}))
    """  # noqa: S608


def _told(told: Told, columns: list[str], table: Table) -> str:
    """What the service wrote, with the fields named as the columns."""
    renamed = [f"jsonb_build_object({GONE}, false)"]
    for column in columns:
        fields = [column, column.removesuffix("_id"), *(name for name, of in table.names.items() if of == column)]
        renamed += [
            f"CASE WHEN row ? '{name}' THEN jsonb_build_object('{column}', row -> '{name}') ELSE '{{}}' END"
            for name in dict.fromkeys(fields)
        ]
    renamed += [f"jsonb_build_object('{column}', {source})" for column, source in told.given.items()]
    verbs = ", ".join(f"'{verb}'" for verb in told.verbs)
    chosen = f"AND split_part(action, ':', 2) IN ({verbs})" if verbs else ""
    return f"""
        SELECT xid, id AS entry, {" || ".join(renamed)} AS said
        FROM mes.audit_event CROSS JOIN LATERAL jsonb_path_query(new, '{told.path}') AS row
        WHERE record_type = '{told.record_type}' AND source = 'service' AND action <> 'denied'
          AND action NOT IN ({ROWS}) {chosen}
    """  # noqa: S608
