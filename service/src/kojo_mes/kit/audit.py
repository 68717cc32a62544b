"""Who did what to which record, in the transaction that did it: neither the change nor its row without the other."""

from __future__ import annotations

import json
from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import psycopg
from prometheus_client import Counter
from sqlalchemy import event, text
from sqlalchemy.dialects.postgresql import psycopg as dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from kojo_mes.kit.canonical import plain
from kojo_mes.kit.database import WriteSession, driver_error, is_conflict, is_gone
from kojo_mes.kit.logging import get
from kojo_mes.kit.problems import Problem

if TYPE_CHECKING:
    from kojo_mes.kit.security import Actor

log = get(__name__)
ENTRIES = Counter(
    "audit_log_entries_total", "Audit rows that this process committed, by their action's domain", ["domain"]
)
FAILURES = Counter("audit_write_failures_total", "Audit rows that the database refused; their writes were refused too")
# SQLSTATE class 53: disk full, out of memory, too many connections
NO_ROOM = "53"

# the tables' own triggers find the row: what its record is made of is on record then (migration 0013)
INSERT = text("""
    INSERT INTO mes.audit_event (source, actor_kind, actor_id, actor_name, actor_roles, action,
                                 record_type, record_id, record_version, old, new, reason, request_id)
    VALUES (:source, :actor_kind, :actor_id, :actor_name, CAST(:actor_roles AS text[]), :action,
            :record_type, :record_id, :record_version, CAST(:old AS jsonb), CAST(:new AS jsonb), :reason, :request_id)
    RETURNING id
""")
INSERT_BY_COMMAND = str(INSERT.compile(dialect=dialect.dialect())).encode()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class RecordRef:
    """A record, in one version of it where it has versions."""

    type: str
    id: str
    version: int | None = None


async def record(
    session: WriteSession,
    actor: Actor,
    action: str,
    ref: RecordRef,
    *,
    old: Mapping[str, object] | None = None,
    new: Mapping[str, object] | None = None,
    reason: str | None = None,
    source: str = "service",
) -> int:
    """The row's id. `action` is `domain:verb`; values take the forms of `canonical.plain`; secrets never come here.

    503 when the database has no room for the row: the caller's transaction ends with it.
    """
    row = _row(actor, action, ref, old, new, reason, source)
    try:
        number: int = (await session.execute(INSERT, row)).scalar_one()
    except DBAPIError as error:
        if is_gone(error) or is_conflict(error):
            raise
        FAILURES.inc()
        state = getattr(driver_error(error), "sqlstate", None) or ""
        log.error("audit_write_failed", action=action, sqlstate=state, reason=str(error.orig))
        if not state.startswith(NO_ROOM):
            raise
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "audit-unavailable",
            "There is no room for the audit record",
            "Nothing was stored. Send the same request again, with the same Idempotency-Key.",
            headers={"Retry-After": "30"},
        ) from error
    _count_on_commit(session.sync_session, action)
    return number


def record_by_command(
    connection: psycopg.Connection,
    actor: Actor,
    action: str,
    ref: RecordRef,
    *,
    old: Mapping[str, object] | None = None,
    new: Mapping[str, object] | None = None,
) -> None:
    """`record` for a command's own connection, in the transaction that it is in. psycopg.Error."""
    connection.execute(INSERT_BY_COMMAND, _row(actor, action, ref, old, new, None, "service"))


def _row(
    actor: Actor,
    action: str,
    ref: RecordRef,
    old: Mapping[str, object] | None,
    new: Mapping[str, object] | None,
    reason: str | None,
    source: str,
) -> dict[str, object]:
    return {
        "source": source,
        "actor_kind": actor.kind,
        "actor_id": plain(actor.id),
        "actor_name": plain(actor.name),
        "actor_roles": sorted(actor.roles),
        "action": action,
        "record_type": ref.type,
        "record_id": plain(ref.id),
        "record_version": ref.version,
        "old": _json(old),
        "new": _json(new),
        "reason": plain(reason),
        "request_id": actor.request_id,
    }


def _json(values: Mapping[str, object] | None) -> str | None:
    return None if values is None else json.dumps(plain(values), ensure_ascii=False)


def _count_on_commit(session: Session, action: str) -> None:
    tally: Tally[str] = session.info.setdefault(ENTRIES, Tally())
    tally[action.partition(":")[0]] += 1


# on the class, once: a listener of each session's own would cost as much as the row
@event.listens_for(Session, "after_commit")
def _count(session: Session) -> None:
    tally: Tally[str] = session.info.pop(ENTRIES, Tally())
    for domain, number in tally.items():
        ENTRIES.labels(domain).inc(number)


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, _previous: object) -> None:
    if not session.in_nested_transaction():
        session.info.pop(ENTRIES, None)
