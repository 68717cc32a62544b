"""Changes of a line's time line, stored with their audit row; what was said before is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row as Stored

from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.clock import now
from kojo_mes.kit.database import WriteSession
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.security import Actor
from kojo_mes.line_states import repository as line_states_repository
from kojo_mes.line_states.timeline import Span
from kojo_mes.oee import repository as oee_repository
from kojo_mes.signals import repository
from kojo_mes.signals.weaving import Changes

LATER = "readings came later, or the shift calendar or a record changed"


async def store(
    session: WriteSession, actor: Actor, line_id: str, stored: Sequence[Stored[Any]], changes: Changes
) -> bool:
    """Whether there was anything to change. `stored` are the rows that the changes are of."""
    if not (changes.removed or changes.ended or changes.added):
        return False
    moment = await now(session)
    start = min(span.start for span in _spans(changes))
    end = max(span.end or moment for span in _spans(changes))
    if changes.removed:
        reclassification = {"id": new_id(), "line": line_id, "start": start, "end": end}
        await repository.explain(session, reclassification | {"explanation": LATER, "by": actor.id})
        await repository.remove_states(session, [row.id for row in changes.removed if row.id])
    for row in changes.ended:
        assert row.id is not None
        assert row.span.end is not None
        await line_states_repository.end(session, row.id, row.span.end)
    # the first state of all is the only one that follows nothing
    first = stored[0].started_at if stored and stored[0].previous_ended_at is None else None
    added = [
        {
            "id": new_id(),
            "line": line_id,
            "state": span.state.value,
            "reason": span.reason,
            "product": span.product,
            "start": span.start,
            "end": span.end,
            "previous": None if number == 0 and (not stored or (first and span.start <= first)) else span.start,
            "by": actor.id,
        }
        for number, span in enumerate(changes.added)
    ]
    await repository.add_states(session, added)
    await oee_repository.outdate(session, line_id, start, end)
    await audit.record(
        session,
        actor,
        "line-states:derive",
        RecordRef("line", line_id),
        old={"states": [_told(row.span) for row in changes.removed]},
        new={"ended": [_told(row.span) for row in changes.ended], "states": [_told(span) for span in changes.added]},
    )
    return True


def _spans(changes: Changes) -> list[Span]:
    return (
        [row.span for row in changes.removed]
        + [Span(row.span.end or row.span.start, row.span.end, row.span.state) for row in changes.ended]
        + list(changes.added)
    )


def _told(span: Span) -> dict[str, object]:
    return {
        "state": span.state,
        "reason": span.reason,
        "product": span.product,
        "started_at": span.start,
        "ended_at": span.end,
    }
