"""One listener's place in what happens, and its events on the wire. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

from fastapi.sse import format_sse_event

from kojo_mes.live.board import Board

ID = re.compile(r"(?P<stream>[0-9a-f]{16})\.(?P<position>[0-9]{1,15})")


class Follower:
    """Event ids are `<stream>.<position>`. A stream is one process's for one choice of lines: whoever comes back to it
    goes on from its position, whoever comes from elsewhere gets a snapshot."""

    def __init__(self, board: Board, process: str, lines: Collection[str], last_event_id: str | None) -> None:
        self._board = board
        self._lines = frozenset(lines)
        self._stream = hashlib.sha256(" ".join([process, *sorted(self._lines)]).encode()).hexdigest()[:16]
        last = ID.fullmatch(last_event_id or "")
        self._position = int(last["position"]) if last and last["stream"] == self._stream else None

    def news(self) -> bytes:
        """The events since the last call, or none."""
        board, position = self._board, self._board.position
        posted = None if self._position is None else board.since(self._position, self._lines)
        self._position = position
        if posted is None:
            return self._event(position, "snapshot", board.snapshot(self._lines).model_dump_json())
        return b"".join(self._event(each.position, each.event, each.data) for each in posted)

    def _event(self, position: int, event: str, data: str) -> bytes:
        return format_sse_event(data_str=data, event=event, id=f"{self._stream}.{position}")
