"""A device, or a device's key of the settings, speaks for the line of its equipment, and for no other."""

from __future__ import annotations

from http import HTTPStatus

from kojo_mes.identity.service import device_of, scope_of
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession
from kojo_mes.kit.security import Actor
from kojo_mes.kit.writes import Denied
from kojo_mes.lines import repository


async def require_own_line(session: ReadSession, actor: Actor, line_id: str, wanted: str) -> None:
    """403, and an audit entry, when a device is bound to equipment of other lines alone. People aren't bound."""
    if actor.kind != "device":
        return
    scope = scope_of(session, actor, await device_of(session, actor))
    if scope is None or scope.has_line(line_id, await repository.equipment_ids(session, line_id)):
        return
    raise Denied(
        RecordRef("line", line_id),
        wanted,
        "The line is another than the device's",
        f"{actor.name} is not bound to equipment of {line_id}.",
        status=HTTPStatus.FORBIDDEN,
        kind="foreign-line",
    )
