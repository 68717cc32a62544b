"""/api/v1/live."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel

from kojo_mes.kit.problems import Problem, responses
from kojo_mes.kit.security import Actor, Permission, bearer, may_still, permitted
from kojo_mes.lines.plant import Id
from kojo_mes.live.board import EVENTS
from kojo_mes.live.follower import Follower
from kojo_mes.live.hub import Hub
from kojo_mes.live.schemas import Snapshot
from kojo_mes.live.stream import stream

MOST_LINES = 100
MEDIA_TYPE = "text/event-stream"
router = APIRouter(
    prefix="/api/v1/live",
    tags=["live"],
    responses=responses(
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)


async def seat(
    request: Request, actor: Annotated[Actor, Depends(permitted(Permission.LIVE_READ))]
) -> AsyncIterator[None]:
    """Dependency: a place among the listeners, for as long as the answer lasts."""
    hub: Hub = request.app.state.live
    with hub.seats.taken_by(actor.id):
        yield


def _event(name: str, data: type[BaseModel]) -> dict[str, Any]:
    """OpenAPI 3.2, "Special Considerations for Server-Sent Events"; FastAPI writes its own streams the same way."""
    schema = {"$ref": f"#/components/schemas/{data.__name__}"}
    return {
        "type": "object",
        "required": ["id", "event", "data"],
        "properties": {
            "id": {"type": "string", "examples": ["9f86d081884c7d65.42"]},
            "event": {"const": name},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": schema},
            "retry": {"type": "integer", "minimum": 0},
        },
    }


ITEM = {"oneOf": [_event("snapshot", Snapshot), *(_event(name, data) for data, name in EVENTS.items())]}


@router.get(
    "",
    dependencies=[Depends(seat)],
    response_class=StreamingResponse,
    response_model=Snapshot,  # so that it and all that it is made of are in the document's components
    responses={
        200: {
            "description": "events, for as long as both sides want",
            "content": {MEDIA_TYPE: {"itemSchema": ITEM}},
        }
    },
)
async def live(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)],
    line: Annotated[
        list[Id] | None, Query(max_length=MOST_LINES, description="of these lines alone; none: of all")
    ] = None,
    last_event_id: Annotated[
        str | None,
        Header(
            max_length=200, description="the last event that came, of a stream of the same lines: it goes on from there"
        ),
    ] = None,
) -> StreamingResponse:
    """Server-sent events: a `snapshot`, then the things that change, each with all that there is to know of it.

    The last event of a thing counts; states that were over before they could be sent are left out. A comment comes
    every 15 s of silence. The stream ends when the access token or the session does: come back with a new token and
    `Last-Event-ID`. After an end the events go on from that id, or with a new `snapshot`.
    """
    hub: Hub = request.app.state.live
    await hub.fresh()
    lines = line or []
    if unknown := sorted(set(lines) - hub.board.lines()):
        raise Problem(HTTPStatus.NOT_FOUND, "unknown-line", f"{', '.join(unknown)}: not lines of this plant")

    async def still_permitted() -> bool:
        return await may_still(request, credentials.credentials, Permission.LIVE_READ)

    follower = Follower(hub.board, hub.process, lines, last_event_id)
    return StreamingResponse(
        stream(hub, follower, still_permitted), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"}
    )
