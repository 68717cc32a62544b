"""SQL of the audit trail. Its order is (xid, id); rows below the snapshot's horizon are complete and stay so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Row, text

from kojo_mes.audit.records import Event, Seal
from kojo_mes.kit.database import ReadSession, WriteSession

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
