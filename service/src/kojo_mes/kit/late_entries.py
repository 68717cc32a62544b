"""When something happened, as somebody tells it: not in the future, and long ago only with a reason (late entry)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from kojo_mes.kit.database import ReadSession
from kojo_mes.kit.fields import Words
from kojo_mes.kit.problems import Fault

CLOCK_TOLERANCE = timedelta(seconds=60)  # of a sender's clock; migrations 0008 and 0022 have it too
FIELD = "late_entry_reason"
LateEntryReason = Annotated[
    Words | None,
    Field(
        description="why it is entered so late; needed beyond what the plant allows, 24 h at most",
        examples=["written on paper while the terminal was down, sheet 12"],
    ),
]


def faults(
    session: ReadSession,
    moment: datetime,
    happened: datetime,
    reason: str | None,
    *,
    field: str,
    index: int | None = None,
) -> list[Fault]:
    """Of the time in the request's `field`, as it is judged at `moment`. The database holds that what is more than
    24 h late has a reason (migration 0022); KOJO_MES_BACKDATING_HOURS asks for one sooner."""
    if happened > moment + CLOCK_TOLERANCE:
        detail = f"is in the future; the sender's clock may be ahead by {CLOCK_TOLERANCE.seconds} s at most"
        return [Fault(place="body", index=index, field=field, detail=detail)]
    hours: float = session.info["settings"].backdating_hours
    if reason is None and happened < moment - timedelta(hours=hours):
        detail = f"is needed: {field} is more than {hours:g} h ago. Correct {field}, or say why it comes so late"
        return [Fault(place="body", index=index, field=FIELD, detail=detail)]
    return []
