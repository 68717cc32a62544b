"""The audit trail, searched; and the journals of other writers, taken into it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from kojo_mes.audit import journal, repository
from kojo_mes.audit.journal import JournalFault, JournalLine
from kojo_mes.audit.records import Event, Seal
from kojo_mes.audit.schemas import AuditEvent, JournalOut, JournalReceipt, SealOut, Selection, Storable
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.keys import Keys
from kojo_mes.kit.pages import Page, page_of
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.writes import Denied

MOST_LINES = 500
JOURNAL = "journal"


async def search(session: ReadSession, selection: Selection, before: int | None, limit: int) -> Page[AuditEvent]:
    """The newest first."""
    rows = await repository.found(session, selection.conditions(), before, limit + 1)
    return page_of(rows, limit, _shown, lambda event: (event.id,))


async def one(session: ReadSession, number: int) -> AuditEvent:
    rows = await repository.found(session, {}, number + 1, 1)
    if not rows or rows[0].id != number:
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", f"There is no audit record {number}")
    return _shown(rows[0])


async def seals(session: ReadSession, after: int, limit: int) -> Page[SealOut]:
    rows = await repository.seals_after(session, after, limit + 1)
    return page_of(rows, limit, _seal, lambda seal: (seal.number,))


async def seal_lines(session: ReadSession, after: int, limit: int) -> list[bytes]:
    return [seal.line() for seal in await repository.seals_after(session, after, limit)]


async def journals(session: ReadSession, after: str, limit: int) -> Page[JournalOut]:
    rows = await repository.journals(session, after, limit + 1)
    return page_of(rows, limit, lambda row: JournalOut(**row._mapping), lambda row: (row.writer,))


async def journal_lines(session: ReadSession, writer: str, after: int, limit: int) -> list[bytes]:
    return [line.encode() for line in await repository.journal_lines(session, writer, after, limit)]


def _shown(event: Event) -> AuditEvent:
    return AuditEvent.model_validate(event.values())


def _seal(seal: Seal) -> SealOut:
    return SealOut(
        number=seal.number,
        sealed_at=seal.sealed_at,
        events=seal.events,
        hash=seal.hash.hex(),
        signature=seal.signature.hex(),
        seal=seal.body,
    )


class _Actor(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["person", "device", "system"]
    id: Storable
    name: Storable
    roles: list[Storable]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Storable
    id: Storable
    version: Annotated[int, Field(ge=0, lt=2**63)] | None


class _Event(BaseModel):
    """A journal's event; audit/records.py says what it means."""

    model_config = ConfigDict(extra="forbid")

    action: Storable
    actor: _Actor
    at: AwareDatetime
    id: int
    new: dict[str, JsonValue] | None
    old: dict[str, JsonValue] | None
    reason: Annotated[str, Field(max_length=10_000)] | None
    record: _Record
    request_id: Storable | None
    source: Literal["journal"]


async def take_in(session: WriteSession, actor: Actor, body: bytes, keys: Mapping[str, Keys]) -> JournalReceipt:
    """Lines in the order of their writers' chains; all of them or none. Lines that came before are counted.

    422 names a line that is none; 409, with an audit entry, what was altered, left out or signed by another.
    """
    lines = _lines(body, keys)
    await repository.lock_journals(session, sorted({line.writer for line, _ in lines}))
    heads: dict[str, tuple[int, bytes]] = {}
    accepted = 0
    for line, event in lines:
        head = heads.get(line.writer) or await repository.journal_head(session, line.writer)
        if line.sequence <= head[0]:
            if await repository.journal_hash(session, line.writer, line.sequence) != line.hash:
                raise _broken(line.writer, f"record {line.sequence} was taken in with other content")
            heads[line.writer] = head
            continue
        try:
            journal.follow(line, *head)
        except JournalFault as fault:
            raise _broken(line.writer, str(fault)) from fault
        await _store(session, line, event)
        heads[line.writer] = line.sequence, line.hash
        accepted += 1
    if accepted:
        writers = {writer: sequence for writer, (sequence, _) in heads.items()}
        new: dict[str, Any] = {"accepted": accepted, "up_to": writers}
        await audit.record(session, actor, "audit:import", RecordRef(JOURNAL, ",".join(sorted(writers))), new=new)
    return JournalReceipt(accepted=accepted, known=len(lines) - accepted)


def _lines(body: bytes, keys: Mapping[str, Keys]) -> list[tuple[JournalLine, _Event]]:
    texts = body.splitlines()
    if not 0 < len(texts) <= MOST_LINES:
        raise invalid([Fault(place="body", field="body", detail=f"is to have 1 to {MOST_LINES} lines")])
    lines = []
    for index, text in enumerate(texts):
        try:
            writer = journal.writer_of(text)
            line = journal.read(text, keys.get(writer, Keys()))
            lines.append((line, _Event.model_validate(line.event)))
        except JournalFault as fault:
            if fault.signed_by_another:
                raise _broken(writer, str(fault)) from fault
            raise invalid([Fault(place="body", index=index, field="line", detail=str(fault))]) from fault
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise invalid([Fault(place="body", index=index, field=f"event.{field}", detail=first["msg"])]) from error
    return lines


def _broken(writer: str, detail: str) -> Denied:
    return Denied(
        RecordRef(JOURNAL, writer),
        "import",
        "The journal is not whole, or not its writer's",
        detail,
        kind="journal-broken",
    )


async def _store(session: WriteSession, line: JournalLine, event: _Event) -> None:
    await repository.add_journal_line(session, line)
    await audit.record(
        session,
        Actor(event.actor.kind, event.actor.id, event.actor.name, frozenset(event.actor.roles), event.request_id or ""),
        event.action,
        RecordRef(event.record.type, event.record.id, event.record.version),
        old=event.old,
        new={"at": event.at, "hash": line.hash, "sequence": line.sequence, "values": event.new, "writer": line.writer},
        reason=event.reason,
        source=JOURNAL,
    )


def journal_keys(given: Mapping[str, str] | None) -> dict[str, Keys]:
    """Of KOJO_MES_JOURNAL_KEYS: each writer has its own."""
    return {writer: Keys.of_hex(key) for writer, key in (given or {}).items()}
