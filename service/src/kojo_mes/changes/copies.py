"""Copies of change requests that people take away: controlled, complete, with their signatures shown (11.50(b))."""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime, BaseModel

from kojo_mes.changes import repository
from kojo_mes.changes.answers import change_of
from kojo_mes.changes.authority import Standing
from kojo_mes.changes.record import TYPE, content_of, record_digest
from kojo_mes.changes.schemas import ChangeState, ControlledCopy, DocumentControl, Revision
from kojo_mes.kit import paper
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.clock import now
from kojo_mes.kit.database import ReadSession
from kojo_mes.kit.problems import Problem
from kojo_mes.kit.security import Actor
from kojo_mes.signatures import verifying

RETENTION_YEARS = 7
TEXT = "text/plain; charset=utf-8"
CONTENT: dict[str, Any] = {
    "text/plain": {"schema": {"type": "string"}},
    paper.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}},
}
BETWEEN = "; "


class Form(StrEnum):
    JSON = "json"
    TEXT = "text"
    PDF = "pdf"


Wanted = Annotated[Form, Query(alias="format")]


class Line(BaseModel):
    """A change request as a row of a table."""

    id: str
    state: ChangeState
    revision: int
    what: str
    why: str
    plant: str
    artefact_digest: str
    window_start: AwareDatetime
    window_end: AwareDatetime
    requester_name: str
    changed_at: AwareDatetime
    signatures: str


COLUMNS = tuple(Line.model_fields)


async def lines(
    session: ReadSession, state: ChangeState | None, plant: str | None, after: str | None, limit: int
) -> list[Line]:
    moment = await now(session)
    found = await repository.page(session, state, plant, after, limit)
    shown = await verifying.manifestations(session, TYPE, [(row.id, row.revision) for row, _ in found])
    return [
        Line(
            id=row.id,
            state=Standing(row, content, moment).state,
            revision=row.revision,
            what=content.what,
            why=content.why,
            plant=content.plant,
            artefact_digest=content.artefact_digest,
            window_start=content.window_start,
            window_end=content.window_end,
            requester_name=row.requester_name,
            changed_at=row.changed_at,
            signatures=BETWEEN.join(shown[row.id]),
        )
        for row, content in found
    ]


async def controlled(session: ReadSession, actor: Actor, change_id: str) -> ControlledCopy:
    found = await repository.present(session, change_id, lock=False)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "not-found", f"There is no change request {change_id}")
    row, content = found
    standing = Standing(row, content, await now(session))
    change = change_of(standing)
    return ControlledCopy(
        control=DocumentControl(
            document=f"{TYPE} {row.id}",
            revision=row.revision,
            status=change.state,
            author=row.requester_name,
            revised_at=content.written_at,
            record_digest=change.record_digest,
            retention_years=RETENTION_YEARS,
            copied_at=standing.now,
            copied_by=actor.name,
        ),
        change=change,
        revisions=[
            Revision(
                revision=revision.revision,
                written_at=revision.written_at,
                content=content_of(revision),
                record_digest=record_digest(row, revision).hex(),
            )
            for revision in await repository.revisions(session, change_id)
        ],
        signatures=await verifying.verified(session, RecordRef(TYPE, row.id)),
    )


def readable(copy: ControlledCopy) -> str:
    """For people: what the record says, and who signed what, when and as what."""
    parts = [_section("Document control", copy.control)]
    parts += [
        _section(f"Revision {revision.revision}, {revision.written_at.isoformat()}", revision.content)
        for revision in copy.revisions
    ]
    change = copy.change
    if change.use:
        parts.append(_section("Use", change.use))
    if change.break_glass:
        parts.append(_section("Break-glass", change.break_glass))
    if change.closing_note:
        parts.append(f"Closing note\n  {change.closing_note}")
    signed = [
        f"  revision {signature.record_version}: {signature.manifestation}\n"
        f"    {signature.validity}: {signature.reason}"
        for signature in copy.signatures
    ]
    parts.append("\n".join(["Electronic signatures", *(signed or ["  none"])]))
    return "\n\n".join(parts) + "\n"


def _section(title: str, model: BaseModel) -> str:
    return "\n".join([title, *(f"  {name}: {value}" for name, value in model.model_dump(mode="json").items())])
