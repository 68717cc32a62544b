"""Live events: a snapshot, then what changes; in every process, with and without Redis, until somebody has to go."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
import servers
from conftest import DEVICE_KEY, client_of, environment, fields, key
from people import Somebody, somebody
from processes import LEAVE_SECONDS, plain_api
from servers import free_port, wait_until

from kojo_mes.api import create_app
from kojo_mes.identity.tokens import AccessTokens
from kojo_mes.kit.cache import Cache
from kojo_mes.kit.notes import Notes
from kojo_mes.kit.settings import ApiSettings

Json = dict[str, Any]
DEVICE = {"Authorization": f"Bearer {DEVICE_KEY}"}


@dataclass
class Event:
    id: str = ""
    event: str = ""
    data: Any = None


@dataclass
class Listener:
    """A client that reads in a thread of its own, as a browser does."""

    response: httpx.Response
    events: list[Event] = field(default_factory=list)
    retry: int = 0
    ended: bool = False

    def read(self) -> None:
        event = Event()
        with contextlib.suppress(httpx.TransportError):
            for line in self.response.iter_lines():
                name, _, value = line.partition(": ")
                match name:
                    case "":
                        if event.event:
                            self.events.append(event)
                        event = Event()
                    case "data":
                        event.data = json.loads(value)
                    case "retry":
                        self.retry = int(value)
                    case "id":
                        event.id = value
                    case "event":
                        event.event = value
        self.ended = True

    def leave(self) -> None:
        connection: socket.socket = self.response.extensions["network_stream"].get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def until(self, wanted: Callable[[Event], bool], what: str) -> Event:
        found: list[Event] = []

        def look() -> bool:
            found[:] = [event for event in list(self.events) if wanted(event)]
            return bool(found)

        wait_until(look, what)
        return found[0]

    def snapshot(self) -> Json:
        return dict(self.until(lambda event: event.event == "snapshot", "a snapshot").data)


@contextlib.contextmanager
def listening(url: str, headers: dict[str, str], *lines: str, last_event_id: str | None = None) -> Iterator[Listener]:
    resume = {"Last-Event-ID": last_event_id} if last_event_id else {}
    with (
        httpx.Client(timeout=LEAVE_SECONDS) as client,
        client.stream("GET", f"{url}/api/v1/live", params={"line": lines}, headers=headers | resume) as response,
    ):
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        listener = Listener(response)
        reading = threading.Thread(target=listener.read)
        reading.start()
        try:
            yield listener
        finally:
            listener.leave()
            reading.join()


def refusal(url: str, headers: dict[str, str], *lines: str) -> httpx.Response:
    """Read only when it is one: a stream would have no end."""
    with (
        httpx.Client(timeout=LEAVE_SECONDS) as client,
        client.stream("GET", f"{url}/api/v1/live", params={"line": lines}, headers=headers) as answer,
    ):
        assert answer.status_code != 200
        answer.read()
    return answer


@dataclass
class Plant:
    variables: dict[str, str]
    admin: psycopg.Connection

    def headers(self, who: Somebody, seconds: float = 600) -> dict[str, str]:
        tokens = AccessTokens(ApiSettings(**fields(self.variables)).key_for("access token"), timedelta(seconds=seconds))
        return {"Authorization": f"Bearer {tokens.issue(who.id, who.session_id)}"}

    def person(self, *roles: str) -> dict[str, str]:
        return self.headers(somebody(self.admin, *roles))

    def write(self, url: str, path: str, body: Json, headers: dict[str, str] | None = None) -> Json:
        answer = httpx.post(
            f"{url}/api/v1{path}",
            json=body,
            headers=(headers or self.person("line_leader")) | key(),
            timeout=LEAVE_SECONDS,
        )
        assert answer.is_success, answer.text
        return dict(answer.json())

    def measure(self, url: str, sensor: str, value: float) -> None:
        reading = {"sensor": sensor, "time": datetime.now(UTC).isoformat(), "value": value}
        self.write(url, "/readings", {"readings": [reading]}, DEVICE)

    def state(self, url: str, state: str, reason: str | None = None, line: str = "line-1") -> None:
        body = {"time": datetime.now(UTC).isoformat(), "state": state, "reason": reason, "product": "housing-100"}
        self.write(url, f"/lines/{line}/states", body)


@pytest.fixture
def floor(variables: dict[str, str], admin: psycopg.Connection) -> Plant:
    """Patient: these tests are of events, not of deadlines, and may run on a busy machine."""
    return Plant(variables | {"KOJO_MES_DATABASE_DEADLINE": "60"}, admin)


def is_state(state: str, line: str = "line-1") -> Callable[[Event], bool]:
    return lambda event: (
        event.event == "line" and event.data["line"] == line and (event.data["state"] or {}).get("state") == state
    )


def test_a_snapshot_then_what_changes(floor: Plant) -> None:
    operator, leader, inspector = (floor.person(role) for role in ("operator", "line_leader", "quality_inspector"))
    now = datetime.now(UTC)
    with (
        plain_api(floor.variables, free_port()) as (url, _),
        listening(url, operator) as all_lines,
        listening(url, operator, "line-2") as second,
    ):
        whole = all_lines.snapshot()
        assert whole["source"] == {"current": True}
        assert [line["line"] for line in whole["lines"]] == ["line-1", "line-2"]
        assert [each["equipment"] for each in whole["equipment"]] == ["press-1", "robot-1", "packer-1"]
        assert all(line["running"] is None and line["state"] is None for line in whole["lines"])
        assert second.snapshot()["equipment"] == whole["equipment"][2:]

        floor.measure(url, "press-1.temperature", 71.5)
        seen = all_lines.until(lambda event: event.event == "equipment" and event.data["temperature"] == 71.5, "heat")
        assert (seen.data["equipment"], seen.data["temperature_limit"]) == ("press-1", 80.0)
        floor.measure(url, "press-1.status", 0)
        all_lines.until(lambda event: event.event == "line" and event.data["running"] is False, "a stopped line")
        floor.state(url, "unplanned_stop", "breakdown")
        stopped = all_lines.until(is_state("unplanned_stop"), "the stop's reason").data["state"]
        assert (stopped["reason"], stopped["product"]) == ("breakdown", "housing-100")

        start, end = now - timedelta(hours=1), now + timedelta(hours=1)
        times = {"starts_at": start.isoformat(), "ends_at": end.isoformat()}
        floor.write(url, "/shifts", {"line": "line-1", "name": "early", "exception": "test", **times}, leader)
        count = {"from": start.isoformat(), "to": now.isoformat(), "product": "housing-100"}
        before = {"from": (start - timedelta(hours=1)).isoformat(), "to": start.isoformat(), "product": "housing-100"}
        counts = [{**count, "good": 40, "scrap": 2, "rework": 1}, {**before, "good": 7, "scrap": 0, "rework": 0}]
        floor.write(url, "/lines/line-1/counts", {"counts": counts}, leader)
        counted = all_lines.until(
            lambda event: event.event == "line" and (event.data["shift"] or {}).get("good") == 40, "what was counted"
        )
        assert (counted.data["shift"]["scrap"], counted.data["shift"]["rework"]) == (2, 1)

        hold = {"line": "line-1", "product": "housing-100", "reason": "a warning"}
        placed = floor.write(url, "/holds", hold, inspector)
        held = all_lines.until(lambda event: event.event == "quality" and event.data["holds"] == 1, "a hold")
        assert held.data == {
            "line": "line-1",
            "holds": 1,
            "newest_hold": placed["id"],
            "nonconformances": 0,
            "newest_nonconformance": None,
        }

        floor.measure(url, "packer-1.temperature", 20.0)
        second.until(lambda event: event.event == "equipment" and event.data["temperature"] == 20.0, "its own heat")
        assert {event.data["line"] for event in second.events if event.event in ("line", "equipment", "quality")} == {
            "line-2"
        }
        for listener in (all_lines, second):
            streams, numbers = zip(*(event.id.split(".") for event in listener.events), strict=True)
            assert len(set(streams)) == 1
            assert [int(number) for number in numbers] == sorted({int(number) for number in numbers})
        route = 'route="/api/v1/live",service="kojo-mes",status="200"'
        figures = {
            f'manufacturing_api_request_duration_seconds_count{{method="GET",{route}}} 2.0',
            "kojo_mes_live_streams 2.0",
            "manufacturing_api_requests_in_progress 1.0",  # of the figures themselves
        }
        wait_until(
            lambda: figures <= set(httpx.get(f"{url}/metrics").text.splitlines()), "figures of streams that last"
        )
        answer = refusal(url, operator, "line-1", "line-9")
        assert (answer.status_code, answer.json()["title"]) == (404, "line-9: not lines of this plant")


def test_processes_hear_each_other_and_without_redis_they_look(
    postgres: servers.Postgres, database: str, admin: psycopg.Connection
) -> None:
    with contextlib.ExitStack() as redis:
        server = redis.enter_context(servers.redis_with_sentinel())
        plant = Plant(environment(postgres, database, server.sentinel_port), admin)
        with (
            plain_api(plant.variables, free_port()) as (blue, _),
            plain_api(plant.variables, free_port()) as (green, _),
            listening(green, plant.person("operator")) as listener,
        ):
            listener.snapshot()
            plant.state(blue, "unplanned_stop", "breakdown")
            listener.until(is_state("unplanned_stop"), "the other process's write")
            redis.close()
            plant.state(blue, "running")
            listener.until(is_state("running"), "the other process's write, without Redis")


async def test_a_note_reaches_the_other_processes_while_redis_is_there(
    settings: ApiSettings, redis: servers.Redis
) -> None:
    """Without anybody who looks at intervals: only notes can tell."""

    async def until(ready: Callable[[], object]) -> None:
        await asyncio.to_thread(wait_until, ready, "a note")

    heard = {"here": 0, "there": 0}
    caches = [Cache(settings), Cache(settings)]

    def counts(name: str) -> Callable[[], None]:
        def hear() -> None:
            heard[name] += 1

        return hear

    here, there = (Notes(cache, counts(name)) for cache, name in zip(caches, heard, strict=True))
    tasks = [asyncio.create_task(work) for notes in (here, there) for work in (notes.send(), notes.receive())]
    try:
        await until(lambda: here.connected and there.connected)
        before = dict(heard)
        here.written()
        assert heard["here"] == before["here"] + 1, "its own are heard at once"
        await until(lambda: heard["there"] > before["there"])
        before = dict(heard)
        with redis.client() as client:
            client.client_kill_filter(_type="pubsub")
        # once as it is cut off, once as it is back: what was written meanwhile may be news
        await until(lambda: there.connected and heard["there"] >= before["there"] + 2)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for cache in caches:
            await cache.close()


def test_whoever_comes_back_misses_no_final_state_and_sigterm_ends_streams(floor: Plant) -> None:
    operator = floor.person("operator")
    with (
        plain_api(floor.variables, free_port()) as (blue, process),
        plain_api(floor.variables, free_port()) as (green, _),
    ):
        with listening(blue, operator) as listener:
            listener.snapshot()
            floor.state(blue, "running")
            last = listener.until(is_state("running"), "the present").id
        floor.state(green, "unplanned_stop", "breakdown")
        floor.state(green, "planned_stop", "break")
        with listening(blue, operator, last_event_id=last) as listener:
            listener.until(is_state("planned_stop"), "what was missed")
            assert {event.event for event in listener.events} == {"line"}, "it goes on where it was"
            assert len(listener.events) == 1, "of two states the one that counts"
        for where, lines in ((green, ()), (blue, ("line-1",))):
            with listening(where, operator, *lines, last_event_id=last) as listener:
                assert listener.snapshot()["lines"][0]["state"]["state"] == "planned_stop", "another stream begins anew"

        with listening(blue, operator) as listener:
            listener.snapshot()
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=LEAVE_SECONDS)
            assert process.returncode == 0
            assert "timeout graceful shutdown exceeded" not in output, "it ended of its own accord"
            wait_until(lambda: listener.ended, "the stream's end")
            assert listener.retry < 1000, "the other colour is there at once"


def test_a_stream_ends_with_the_session_and_with_the_token(floor: Plant) -> None:
    person = somebody(floor.admin, "operator")
    with (
        plain_api(floor.variables, free_port()) as (url, _),
        listening(url, floor.headers(person)) as revoked,
        listening(url, floor.person("auditor")) as untouched,
        listening(url, floor.headers(somebody(floor.admin, "operator"), seconds=15)) as expired,
    ):
        for listener in (revoked, untouched, expired):
            listener.snapshot()
        floor.write(url, "/identity/me/logout", {}, floor.headers(person))
        wait_until(lambda: revoked.ended and expired.ended, "the streams' ends")
        assert not untouched.ended
        assert refusal(url, floor.headers(person)).status_code == 401


def test_there_are_only_so_many_streams(floor: Plant) -> None:
    limits = {"KOJO_MES_LIVE_STREAMS": "3", "KOJO_MES_LIVE_STREAMS_EACH": "2"}
    one, two, three = (floor.person("operator") for _ in range(3))
    with plain_api(floor.variables | limits, free_port()) as (url, _), contextlib.ExitStack() as streams:

        def told(headers: dict[str, str]) -> tuple[int, str, bool]:
            answer = refusal(url, headers)
            return answer.status_code, answer.json()["type"], int(answer.headers["retry-after"]) > 0

        for _ in range(2):
            streams.enter_context(listening(url, one)).snapshot()
        assert told(one) == (429, "urn:kojo:problem:too-many-streams", True)
        with listening(url, two) as last:
            last.snapshot()
            assert told(three) == (503, "urn:kojo:problem:too-many-streams", True)

        def admitted() -> bool:
            with (
                httpx.Client(timeout=LEAVE_SECONDS) as client,
                client.stream("GET", f"{url}/api/v1/live", headers=three) as response,
            ):
                return response.status_code == 200

        wait_until(admitted, "the place of the one who left")


def test_an_outage_of_the_database_is_told(postgres: servers.Postgres, floor: Plant, database: str) -> None:
    patience = {"KOJO_MES_DATABASE_DEADLINE": "2"}
    silence = psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    operator = floor.person("operator")
    with plain_api(floor.variables | patience, free_port()) as (url, _), listening(url, operator) as listener:
        assert listener.snapshot()["source"] == {"current": True}
        with postgres.connect() as server:
            name = psycopg.sql.Identifier(database)
            server.execute(silence.format(name, psycopg.sql.SQL("false")))
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = 'kojo_app'",
                (database,),
            )
            listener.until(lambda event: event.event == "source" and not event.data["current"], "the outage")
            answer = refusal(url, operator)
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
            server.execute(silence.format(name, psycopg.sql.SQL("true")))
        listener.until(lambda event: event.event == "source" and event.data["current"], "the end of the outage")
        assert not listener.ended


async def test_the_document_describes_the_events(settings: ApiSettings) -> None:
    async with client_of(create_app(settings)) as client:
        document = (await client.get("/api/v1/openapi.json")).json()
    answer = document["paths"]["/api/v1/live"]["get"]["responses"]["200"]["content"]["text/event-stream"]
    described = {
        event["properties"]["event"]["const"]: event["properties"]["data"]["contentSchema"]["$ref"].rpartition("/")[2]
        for event in answer["itemSchema"]["oneOf"]
    }
    assert described == {
        "snapshot": "Snapshot",
        "source": "SourceNow",
        "line": "LineNow",
        "equipment": "EquipmentNow",
        "quality": "QualityNow",
    }
    assert set(described.values()) <= set(document["components"]["schemas"])
