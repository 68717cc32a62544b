"""SQL of the audit trail. Its order is (xid, id); rows below the snapshot's horizon are complete and stay so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, column, exists, literal, or_, select, table, text

from kojo_mes.audit.journal import JournalLine
from kojo_mes.audit.records import FIRST_PREVIOUS, Event, Seal
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.signatures.models import SignatureRow
from kojo_mes.signatures.repository import ACTION as SIGNING
from kojo_mes.signatures.repository import RECORD_TYPE as SIGNATURE

EVENT = table("audit_event", column("record_type"), column("record_id"), column("action"), schema="mes")
MONTHS_AHEAD = 3
# of a row's own time before that of its seal: it lets the planner leave old partitions alone
LONGEST_TRANSACTION = timedelta(days=31)

EVENT_COLUMNS = """id, at, CAST(CAST(xid AS text) AS bigint) AS xid, source, actor_kind, actor_id, actor_name,
    actor_roles, action, record_type, record_id, record_version, CAST(old AS text) AS old, CAST(new AS text) AS new,
    reason, request_id"""
SEAL_COLUMNS = """number, sealed_at, CAST(CAST(last_xid AS text) AS bigint) AS last_xid, last_id, events, leaves, body,
    hash, signature"""
POSITION = "(CAST(CAST(:{0}_xid AS text) AS xid8), :{0}_id)"

MAKE_PARTITIONS = text("SELECT mes.make_audit_partitions(:months)")
BE_THE_ONE = text("SELECT pg_try_advisory_xact_lock(hashtextextended('kojo-mes audit seal', 0))")
CLOCK = text("SELECT clock_timestamp()")
NEWEST = text("SELECT at FROM mes.audit_event ORDER BY id DESC LIMIT 1")
LAST_SEAL = text(f"SELECT {SEAL_COLUMNS} FROM mes.audit_seal ORDER BY number DESC LIMIT 1")  # noqa: S608
UNSEALED = text(f"""
    SELECT {EVENT_COLUMNS} FROM mes.audit_event
    WHERE (xid, id) > {POSITION.format("after")} AND xid < pg_snapshot_xmin(pg_current_snapshot())
      AND at >= CAST(:since AS timestamptz)
    ORDER BY audit_event.xid, id LIMIT :limit
""")  # noqa: S608
STORE_SEAL = text("""
    INSERT INTO mes.audit_seal (number, sealed_at, last_xid, last_id, events, leaves, body, hash, signature)
    VALUES (:number, :sealed_at, CAST(CAST(:last_xid AS text) AS xid8), :last_id, :events, :leaves, :body, :hash,
            :signature)
""")
SEALS_AFTER = text(f"""
    SELECT {SEAL_COLUMNS} FROM mes.audit_seal WHERE number > :after ORDER BY number LIMIT :limit
""")  # noqa: S608
SEAL = text(f"SELECT {SEAL_COLUMNS} FROM mes.audit_seal WHERE number = :number")  # noqa: S608

SEAL_OF_POSITION = text(f"""
    SELECT {SEAL_COLUMNS} FROM mes.audit_seal WHERE (last_xid, last_id) >= {POSITION.format("at")}
    ORDER BY audit_seal.last_xid, last_id LIMIT 1
""")  # noqa: S608
SEALS_MADE = text("""
    SELECT min(number) AS first, max(number) AS last FROM mes.audit_seal
    WHERE sealed_at >= coalesce(CAST(:start AS timestamptz), '-infinity')
      AND sealed_at < coalesce(CAST(:end AS timestamptz), 'infinity')
""")
BETWEEN = text(f"""
    SELECT {EVENT_COLUMNS} FROM mes.audit_event
    WHERE (xid, id) > {POSITION.format("after")} AND (xid, id) <= {POSITION.format("last")}
    ORDER BY audit_event.xid, id
""")  # noqa: S608
LOCK_JOURNAL = text("SELECT pg_advisory_xact_lock(hashtextextended('kojo-mes journal ' || :writer, 0))")
JOURNAL_HEAD = text("""
    SELECT sequence, hash FROM mes.audit_journal_line WHERE writer = :writer ORDER BY sequence DESC LIMIT 1
""")
JOURNALS = text("""
    SELECT writer, max(sequence) AS records FROM mes.audit_journal_line WHERE writer > :after
    GROUP BY writer ORDER BY writer LIMIT :limit
""")
# the line that passes :bytes is the last one
JOURNAL_LINES = text("""
    WITH page AS (
        SELECT sequence, line FROM mes.audit_journal_line WHERE writer = :writer AND sequence > :after
        ORDER BY sequence LIMIT :limit
    ), counted AS (
        SELECT sequence, line, sum(octet_length(line)) OVER (ORDER BY sequence) - octet_length(line) AS bytes_before
        FROM page
    )
    SELECT line FROM counted WHERE bytes_before < :bytes ORDER BY sequence
""")
MOST_JOURNAL_BYTES = 4 * 2**20
JOURNAL_HASH = text("SELECT hash FROM mes.audit_journal_line WHERE writer = :writer AND sequence = :sequence")
ADD_JOURNAL_LINE = text("""
    INSERT INTO mes.audit_journal_line (writer, sequence, hash, line) VALUES (:writer, :sequence, :hash, :line)
""")
# a record's history has the signings of that record in it, and those of lists that it is on
OF_A_LIST = """CASE action WHEN 'signatures:sign' THEN new ->> 'record_id' WHEN 'signatures:list' THEN record_id END
        IN (SELECT list_id FROM mes.signed_list_item AS item WHERE item.{0} = :{0})"""
CONDITIONS = {
    "record_type": f"""(record_type = :record_type
        OR action = 'signatures:sign' AND new ->> 'record_type' = :record_type OR {OF_A_LIST.format("record_type")})""",
    "record_id": f"""(record_id = :record_id
        OR action = 'signatures:sign' AND new ->> 'record_id' = :record_id OR {OF_A_LIST.format("record_id")})""",
    "actor": "actor_id = :actor",
    "action": "action = :action",
    "start": "at >= :start",
    "end": "at < :end",
}


async def make_partitions_ahead(session: WriteSession) -> int:
    return int((await session.execute(MAKE_PARTITIONS, {"months": MONTHS_AHEAD})).scalar_one())


def make_partitions(connection: Connection) -> int:
    return int(connection.execute(MAKE_PARTITIONS, {"months": MONTHS_AHEAD}).scalar_one())


async def be_the_one(session: WriteSession) -> bool:
    """Until the transaction's end, at most one sealer in the plant gets true."""
    return bool((await session.execute(BE_THE_ONE)).scalar_one())


async def clock(session: ReadSession) -> datetime:
    moment: datetime = (await session.execute(CLOCK)).scalar_one()
    return moment


async def newest_at(session: ReadSession) -> datetime | None:
    moment: datetime | None = (await session.execute(NEWEST)).scalar_one_or_none()
    return moment


async def last_seal(session: ReadSession) -> Seal | None:
    row = (await session.execute(LAST_SEAL)).one_or_none()
    return _seal(row) if row else None


async def seal_of(session: ReadSession, number: int) -> Seal | None:
    row = (await session.execute(SEAL, {"number": number})).one_or_none()
    return _seal(row) if row else None


async def unsealed(session: ReadSession, last: Seal | None, limit: int) -> list[Event]:
    """Rows after the last seal that no running transaction can still put another one before."""
    parameters = {
        "after_xid": last.last_xid if last else 0,
        "after_id": last.last_id if last else 0,
        "since": last.sealed_at - LONGEST_TRANSACTION if last else datetime.fromtimestamp(0, UTC),
        "limit": limit,
    }
    return [_event(row) for row in await session.execute(UNSEALED, parameters)]


async def store_seal(session: WriteSession, seal: Seal) -> None:
    await session.execute(STORE_SEAL, vars(seal))


async def seals_after(session: ReadSession, number: int, limit: int) -> list[Seal]:
    return [_seal(row) for row in await session.execute(SEALS_AFTER, {"after": number, "limit": limit})]


def _event(row: Row[tuple[object]]) -> Event:
    return Event(**row._mapping)


def _seal(row: Row[tuple[object]]) -> Seal:
    return Seal(**row._mapping)


async def seal_at(session: ReadSession, event: Event) -> Seal | None:
    """The seal that covers an event's place; None when it isn't sealed yet."""
    row = (await session.execute(SEAL_OF_POSITION, {"at_xid": event.xid, "at_id": event.id})).one_or_none()
    return _seal(row) if row else None


async def seals_made(session: ReadSession, start: datetime | None, end: datetime | None) -> tuple[int, int] | None:
    """Numbers of the first and the last seal that was made from `start` up to before `end`."""
    row = (await session.execute(SEALS_MADE, {"start": start, "end": end})).one()
    return (row.first, row.last) if row.first is not None else None


async def between(session: ReadSession, after: Seal | None, last: Seal) -> list[Event]:
    """In the order of the trail, after one seal's last event up to another's."""
    parameters = {
        "after_xid": after.last_xid if after else 0,
        "after_id": after.last_id if after else 0,
        "last_xid": last.last_xid,
        "last_id": last.last_id,
    }
    return [_event(row) for row in await session.execute(BETWEEN, parameters)]


async def selected(session: ReadSession, wanted: dict[str, Any], after: Event | None, limit: int) -> list[Event]:
    """In the order of the trail. `wanted`: values of CONDITIONS."""
    return await _matching(
        session,
        wanted,
        f"(xid, id) > {POSITION.format('after')}",
        "audit_event.xid, id",
        {"after_xid": after.xid if after else 0, "after_id": after.id if after else 0, "limit": limit},
    )


async def lock_journals(session: WriteSession, writers: Sequence[str]) -> None:
    """Until the transaction's end: one import of a writer's lines at a time."""
    for writer in writers:
        await session.execute(LOCK_JOURNAL, {"writer": writer})


async def journal_head(session: ReadSession, writer: str) -> tuple[int, bytes]:
    """Number and hash of the writer's last line; (0, zero bytes) before the first."""
    row = (await session.execute(JOURNAL_HEAD, {"writer": writer})).one_or_none()
    return (row.sequence, row.hash) if row else (0, FIRST_PREVIOUS)


async def journals(session: ReadSession, after: str, limit: int) -> Sequence[Row[Any]]:
    """Writers from after the one with this name, and the number of each one's last line."""
    return (await session.execute(JOURNALS, {"after": after, "limit": limit})).all()


async def journal_lines(session: ReadSession, writer: str, after: int, limit: int) -> Sequence[str]:
    """As they came: what the writer signed, to the byte. Fewer than LIMIT where they are long."""
    parameters = {"writer": writer, "after": after, "limit": limit, "bytes": MOST_JOURNAL_BYTES}
    return (await session.execute(JOURNAL_LINES, parameters)).scalars().all()


async def journal_hash(session: ReadSession, writer: str, sequence: int) -> bytes | None:
    digest: bytes | None = (
        await session.execute(JOURNAL_HASH, {"writer": writer, "sequence": sequence})
    ).scalar_one_or_none()
    return digest


async def add_journal_line(session: WriteSession, line: JournalLine) -> None:
    values = {"writer": line.writer, "sequence": line.sequence, "hash": line.hash, "line": line.text}
    await session.execute(ADD_JOURNAL_LINE, values)


async def signatures(session: ReadSession, wanted: dict[str, Any], told: list[str]) -> Sequence[SignatureRow]:
    """Those that the events of an export tell of, and those of the same records or time that no event tells of."""
    untold: list[ColumnElement[bool]] = [
        ~exists().where(
            EVENT.c.record_type == SIGNATURE, EVENT.c.record_id == SignatureRow.id, EVENT.c.action == SIGNING
        )
    ]
    scope = {
        "record_type": SignatureRow.record_type.__eq__,
        "record_id": SignatureRow.record_id.__eq__,
        "actor": SignatureRow.signer_id.__eq__,
        "action": lambda action: literal(action == SIGNING),
        "start": SignatureRow.signed_at.__ge__,
        "end": SignatureRow.signed_at.__lt__,
    }
    untold += [scope[name](value) for name, value in wanted.items()]
    query = select(SignatureRow).where(or_(SignatureRow.id.in_(told), and_(*untold)))
    return (await session.scalars(query.order_by(SignatureRow.id))).all()


async def found(session: ReadSession, wanted: dict[str, Any], before: int | None, limit: int) -> list[Event]:
    """The newest first, from before the one with the id `before`."""
    return await _matching(
        session, wanted, "id < coalesce(CAST(:before AS bigint), id + 1)", "id DESC", {"before": before, "limit": limit}
    )


async def _matching(
    session: ReadSession, wanted: dict[str, Any], place: str, order: str, parameters: dict[str, Any]
) -> list[Event]:
    conditions = " AND ".join([place, *(CONDITIONS[name] for name in wanted)])
    query = f"SELECT {EVENT_COLUMNS} FROM mes.audit_event WHERE {conditions} ORDER BY {order} LIMIT :limit"  # noqa: S608
    return [_event(row) for row in await session.execute(text(query), parameters | wanted)]
