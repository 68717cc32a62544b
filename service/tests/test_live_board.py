"""A listener of any pace ends up knowing what is so, and is never given more than there is."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from servers import free_port, wait_until
from starlette.types import Receive, Scope, Send

from kojo_mes.kit import server
from kojo_mes.kit.settings import Environment, ListenSettings
from kojo_mes.live.board import Board, Thing
from kojo_mes.live.follower import Follower
from kojo_mes.live.schemas import EquipmentNow, QualityNow, SourceNow

PLANT = {"line-1": ["press-1", "robot-1"], "line-2": ["packer-1"]}
MOST = 6  # events at once: the source, three pieces of equipment, the quality of two lines
LINES = st.sets(st.sampled_from(sorted(PLANT)))
# what a look may find: lines that are there, how hot their equipment is, how much of a line is held
LOOK = st.tuples(st.booleans(), LINES, st.integers(0, 2), st.integers(0, 2))
STEP = st.one_of(LOOK, st.sampled_from(["read", "come back", "come back from elsewhere"]))


def things(look: tuple[bool, set[str], int, int]) -> list[Thing]:
    current, lines, heat, holds = look
    found: list[Thing] = [SourceNow(current=current)]
    for line in sorted(lines):
        for number, equipment in enumerate(PLANT[line]):
            found.append(
                EquipmentNow(
                    line=line,
                    equipment=equipment,
                    running=None,
                    temperature=float(heat + number),
                    temperature_limit=80,
                    health=None,
                )
            )
        found.append(
            QualityNow(line=line, holds=holds, newest_hold=None, nonconformances=0, newest_nonconformance=None)
        )
    return found


class Client:
    """Knows what its events told it, as a page would."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], Any] = {}
        self.last: str | None = None

    def take(self, chunk: bytes) -> int:
        events = [
            dict(line.split(": ", 1) for line in event.splitlines()) for event in chunk.decode().split("\n\n") if event
        ]
        for event in events:
            data, self.last = json.loads(event["data"]), event["id"]
            if event["event"] == "snapshot":
                self.known = {("source", ""): data["source"]}
                self.known |= {("equipment", each["equipment"]): each for each in data["equipment"]}
                self.known |= {("quality", each["line"]): each for each in data["quality"]}
            else:
                self.known[event["event"], data.get("equipment", data.get("line", ""))] = data
        return len(events)


def so(look: tuple[bool, set[str], int, int], lines: set[str]) -> dict[tuple[str, str], Any]:
    expected: dict[tuple[str, str], Any] = {("source", ""): {"current": look[0]}}
    for thing in things(look):
        if isinstance(thing, EquipmentNow) and (not lines or thing.line in lines):
            expected["equipment", thing.equipment] = thing.model_dump()
        if isinstance(thing, QualityNow) and (not lines or thing.line in lines):
            expected["quality", thing.line] = thing.model_dump()
    return expected


@given(st.lists(STEP, max_size=30), LOOK, LINES)
def test_whoever_listens_ends_up_with_what_is_so(
    steps: list[Any], last: tuple[bool, set[str], int, int], lines: set[str]
) -> None:
    board, client = Board(), Client()
    board.post([SourceNow(current=True)])
    follower = Follower(board, "here", lines, None)
    for step in [*steps, last, "read"]:
        if step == "read":
            assert client.take(follower.news()) <= MOST
        elif step == "come back":
            follower = Follower(board, "here", lines, client.last)
        elif step == "come back from elsewhere":
            follower = Follower(board, "here", lines, "ffffffffffffffff.1")
        else:
            board.post(things(step))
    assert client.known == so(last, lines)
    assert follower.news() == b"", "and is told once"


def test_a_slow_listener_is_told_of_the_last_state_alone() -> None:
    board, client = Board(), Client()
    board.post(things((True, {"line-1"}, 0, 0)))
    follower = Follower(board, "here", set(), None)
    client.take(follower.news())
    for heat in range(1, 1001):
        board.post(things((True, {"line-1"}, heat, 0)))
    assert client.take(follower.news()) == 2, "both pieces of equipment, once"
    assert client.known["equipment", "press-1"]["temperature"] == 1000.0


def test_an_id_of_no_event_of_the_stream_gets_a_snapshot() -> None:
    board = Board()
    board.post(things((True, {"line-1"}, 0, 0)))
    stream = Follower(board, "here", set(), None).news().split(b"id: ")[1].partition(b".")[0].decode()
    assert Follower(board, "here", set(), f"{stream}.{board.position}").news() == b""
    for last in ("99", "9" * 5000, "\u0663", "-1", "1.2", "1 ", ""):
        assert b"event: snapshot" in Follower(board, "here", set(), f"{stream}.{last}").news(), last
    for last in ("", ".", "1", f"{'f' * 16}.1"):
        assert b"event: snapshot" in Follower(board, "here", set(), last).news(), last


async def test_whoever_takes_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer's memory is given back, though the client still holds its connection."""
    monkeypatch.setattr(server, "STALL_SECONDS", 0.2)
    left = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})

        async def talk() -> None:
            while True:
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})

        await receive()
        talking = asyncio.create_task(talk())
        assert (await receive())["type"] == "http.disconnect"
        left.set()
        talking.cancel()

    port = free_port()
    listen = ListenSettings(environment=Environment.DEVELOPMENT)
    config = server.configuration(endless, listen, port)
    config.lifespan = "off"
    serving = uvicorn.Server(config)
    task = asyncio.create_task(serving.serve())
    await asyncio.to_thread(wait_until, lambda: serving.started, "the listener")
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        async with asyncio.timeout(60):
            await left.wait()
    serving.should_exit = True
    await task
