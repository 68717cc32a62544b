"""The steady load against a server that does what it is told to, and the verdicts over what it kept."""

from __future__ import annotations

import asyncio
import http.server
import json
import os
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.bluegreen.exercise import changes
from tests.load.connection import Connection
from tests.load.live import Order
from tests.load.steady import Load, Request, steadily
from tests.load.verdict import around, at_most, p99, share_below
from tests.repository.ansible_yaml import ROOT
from tests.wait import eventually

ADDRESS = "127.0.0.1"
HERE, ELSEWHERE = "a" * 16, "b" * 16


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Service

    def setup(self) -> None:
        super().setup()
        self.asked = 0

    def finish(self) -> None:
        super().finish()
        if self.server.leaves == "said":
            time.sleep(0.5)  # longer than a client waits with its next request
        self.server.requests_of_connections.append(self.asked)

    def do_GET(self) -> None:
        if self.path == "/api/v1/live":
            self.events()
        else:
            self.answer()

    def do_POST(self) -> None:
        self.server.written.append(self.headers["Idempotency-Key"])
        self.server.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer()

    def answer(self) -> None:
        self.asked += 1
        self.server.held.wait()
        status = self.server.statuses.get(self.path, 200)
        if status == 0:  # cut off
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", "2")
        if self.server.leaves == "said":
            self.send_header("Connection", "close")
        self.close_connection = bool(self.server.leaves)
        self.end_headers()
        self.wfile.write(b"{}")

    def events(self) -> None:
        self.server.last_ids.append(self.headers["Last-Event-ID"])
        event, identity = self.server.events.pop(0) if self.server.events else ("snapshot", f"{HERE}.1")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(f"event: {event}\ndata: {{}}\nid: {identity}\n\n: still here\n\n".encode())
        time.sleep(0.1)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Service(http.server.ThreadingHTTPServer):
    """STATUSES by path, 0 to be cut off; EVENTS: the one event of each listener in turn; HELD: answers wait for it;
    LEAVES: each answer is its connection's last, which is "said" or "silent"."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__((ADDRESS, 0), Handler)
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.statuses: dict[str, int] = {}
        self.events: list[tuple[str, str]] = []
        self.leaves = ""
        self.held = threading.Event()
        self.held.set()
        self.requests_of_connections: list[int] = []
        self.written: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.last_ids: list[str | None] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is none."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(ADDRESS).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    with Service(context) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@contextmanager
def load(service: Service, tmp_path: Path, requests: int, *, listens: bool = False) -> Iterator[Load]:
    """Until so many requests were made, after the block's own work."""
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    token = "a person's" if listens else ""
    with steadily(Load(ADDRESS, trusted, "key", rate=100, token=token, port=service.server_port)) as running:
        yield running
        end = time.monotonic() + 60
        while len(running.requests) < requests:
            assert time.monotonic() < end
            time.sleep(0.05)


def test_the_shares_of_the_load_and_no_failure(service: Service, tmp_path: Path) -> None:
    with load(service, tmp_path, 400) as sent:
        pass
    assert sent.failures == Counter()
    names = Counter(request.name for request in sent.requests)
    assert names["health"] / len(sent.requests) == pytest.approx(140 / 210, abs=0.05)
    assert len(set(service.written)) == len(service.written) == names["write"] + names["write, new connection"]
    assert len({body["readings"][0]["time"] for body in service.bodies}) == len(service.bodies)
    fresh = sum(count for name, count in names.items() if name.endswith("new connection"))
    assert fresh / len(sent.requests) == pytest.approx(40 / 210, abs=0.05)
    kept = [asked for asked in service.requests_of_connections if asked > 1]
    assert service.requests_of_connections.count(1) >= fresh
    assert len(kept) <= 20
    assert sum(kept) >= len(sent.requests) - fresh - 20


@pytest.mark.parametrize(
    ("status", "told"), [(500, "500 {}"), (429, "429 {}"), (404, "404 {}"), (0, "IncompleteReadError")]
)
def test_whatever_is_not_well_answered_is_a_failure(status: int, told: str, service: Service, tmp_path: Path) -> None:
    service.statuses["/health"] = status
    with load(service, tmp_path, 100) as sent:
        pass
    asked = [request for request in sent.requests if request.name.startswith("health")]
    assert told in Counter(request.fault for request in asked).most_common(1)[0][0]
    assert sent.failures.total() == len(asked)


def test_a_connection_that_is_said_to_end_is_no_failure(service: Service, tmp_path: Path) -> None:
    """As an HAProxy that is reloaded ends it: with an answer, by HTTP's own word."""
    service.leaves = "said"
    with load(service, tmp_path, 100) as sent:
        pass
    assert sent.failures == Counter()
    assert set(service.requests_of_connections) == {1}


def test_a_connection_that_ended_between_two_requests_is_made_anew(service: Service, tmp_path: Path) -> None:
    service.leaves = "silent"
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))

    async def ask_twice() -> list[tuple[int, bytes]]:
        connection = Connection(ADDRESS, service.server_port, trusted, "key")
        first = await connection.get("/health")
        while not service.requests_of_connections:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        second = await connection.get("/health")
        connection.close()
        await asyncio.sleep(0)
        return [first, second]

    assert asyncio.run(ask_twice()) == [(200, b"{}")] * 2


def test_what_a_stall_delays_counts_as_long_as_it_waited(service: Service, tmp_path: Path) -> None:
    """A request a second late is one, though it was sent when the stall was over: no coordinated omission."""
    with load(service, tmp_path, 300) as sent:
        time.sleep(0.5)
        service.held.clear()
        stall = time.time()
        time.sleep(1.5)
        service.held.set()
    due = [request for request in sent.requests if stall + 0.1 < request.at < stall + 0.4]
    assert len(due) > 15
    assert min(request.seconds for request in due) > 1.0


def test_a_listener_comes_back_with_what_it_had_last(service: Service, tmp_path: Path) -> None:
    service.events = [
        ("snapshot", f"{HERE}.7"),
        ("line", f"{HERE}.9"),
        ("line", f"{HERE}.9"),
        ("line", f"{ELSEWHERE}.1"),
    ]
    with load(service, tmp_path, 1, listens=True) as sent:
        eventually(lambda: [each for each in sent.requests if each.name == "live"], lambda found: len(found) > 4, 60)
    assert service.last_ids[:4] == [None, f"{HERE}.7", f"{HERE}.9", f"{HERE}.9"]
    faults = [request.fault for request in sent.requests if request.name == "live"]
    assert faults[:2] == ["", ""]
    assert faults[2] == f"{HERE}.9 after {HERE}.9: it came before"
    assert faults[3] == f"{ELSEWHERE}.1 after {HERE}.9: another stream, and no snapshot"
    assert set(faults[4:]) <= {""}


@pytest.mark.parametrize(
    ("event", "identity", "fault"),
    [
        ("line", f"{HERE}.8", ""),
        ("line", f"{HERE}.42", ""),  # states that were over before they could be sent are left out
        ("snapshot", f"{ELSEWHERE}.1", ""),
        ("line", f"{HERE}.7", "came before"),
        ("line", f"{HERE}.3", "came before"),
        ("line", f"{ELSEWHERE}.8", "no snapshot"),
        ("line", "", "has the id ''"),
    ],
)
def test_an_event_that_does_not_go_on_from_the_last_one_is_a_gap(event: str, identity: str, fault: str) -> None:
    order = Order()
    assert order.take("snapshot", f"{HERE}.7") == ""
    told = order.take(event, identity)
    assert fault in told
    assert bool(told) == bool(fault)


def test_a_stream_that_begins_without_a_snapshot_is_a_gap() -> None:
    assert "no snapshot" in Order().take("line", f"{HERE}.1")


@pytest.mark.parametrize(
    ("failures", "requests", "bound"),
    # published tables of the binomial's exact one-sided limits; for none 1 - 0.05 ** (1 / n)
    [(0, 60_000, 4.9927e-5), (0, 20, 0.13911), (1, 10, 0.39416), (5, 10, 0.77756), (10, 10, 1.0)],
)
def test_the_upper_bound_is_clopper_and_pearsons(failures: int, requests: int, bound: float) -> None:
    assert at_most(failures, requests) == pytest.approx(bound, rel=1e-4)


def test_a_percentile_is_the_nearest_rank() -> None:
    assert share_below(99, [float(number) for number in range(1, 201)]) == 198
    assert share_below(95, [3.0, 1.0, 2.0]) == 3.0
    with pytest.raises(ValueError, match="no values"):
        share_below(99, [])


def test_a_switch_is_from_a_second_before_its_commit_to_three_after() -> None:
    requests = [Request("health", at / 10, 0.01, "") for at in range(0, 400)]
    during, before = around(requests, [10.0, 25.0])
    assert [request.at for request in during] == [
        *(at / 10 for at in range(90, 130)),
        *(at / 10 for at in range(240, 280)),
    ]
    assert [request.at for request in before] == [
        *(at / 10 for at in range(40, 90)),
        *(at / 10 for at in range(190, 240)),
    ]


def test_a_switch_soon_after_another_is_not_the_calm_before_it() -> None:
    during, before = around([Request("health", 11.5, 0.01, "")], [10.0, 15.0])
    assert len(during) == 1
    assert before == []


def test_p99_of_a_slow_switch_is_seen() -> None:
    requests = [Request("health", at / 100, 0.2 if 1000 <= at < 1010 else 0.01, "") for at in range(2000)]
    during, before = around(requests, [10.0])
    assert p99(during) / p99(before) == pytest.approx(20)


@pytest.mark.parametrize(("switches", "returns"), [(20, 5), (4, 1), (0, 3), (3, 0)])
def test_returns_stand_among_the_switches(switches: int, returns: int) -> None:
    order = changes(switches, returns)
    assert Counter(order) == Counter({"switch": switches, "return": returns})
    if switches and returns:
        assert order[: switches // returns + 1] == ["switch"] * (switches // returns) + ["return"]


FAULTY = """
import asyncio, json
from collections import Counter
from kojo_mes.kit import server
from kojo_mes.kit.settings import ListenSettings

async def well(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})

async def ask(app, host):
    statuses = []
    async def send(message):
        statuses.append(message.get("status"))
    scope = {"type": "http", "headers": [(b"host", host)], "client": ("127.0.0.1", 1), "scheme": "https"}
    await app(scope, None, send)
    return statuses[0]

async def main():
    app = server.configuration(well, ListenSettings(), 8101).loaded_app
    return [Counter([await ask(app, host) for _ in range(100)]) for host in (b"10.77.35.10", b"blue")]

print(json.dumps(asyncio.run(main())))
"""


def test_the_fault_is_every_fifth_request_but_no_balancers_check(tmp_path: Path) -> None:
    """In the service's own environment, put in front of it as on an app host."""
    fault = ROOT / "tests/bluegreen/every_fifth.py"
    (tmp_path / "sitecustomize.py").write_text(fault.read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(
        [ROOT / ".venv-service/bin/python", "-c", FAULTY],
        env={**os.environ, "KOJO_MES_ENVIRONMENT": "development", "PYTHONPATH": f"{tmp_path}:{ROOT / 'service/src'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [{"200": 80, "500": 20}, {"200": 100}]
