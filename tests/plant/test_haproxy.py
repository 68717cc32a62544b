"""The edges from outside: what a client gets from the virtual address, and what it doesn't."""

from __future__ import annotations

import hashlib
import shlex
import socket
import ssl
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from testinfra.host import Host

from tests.plant import edges
from tests.plant.inventory import Plant

PROBLEM = "application/problem+json"
# asks the statistics port from the edge itself: nothing but the monitoring host may come from outside
ASK = """
import base64, ssl, sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1])
if len(sys.argv) > 2:
    request.add_header("Authorization", "Basic " + base64.b64encode(sys.argv[2].encode()).decode())
try:
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile="/etc/kojo/pki/ca.crt")) as answer:
        print(answer.status, answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code)
"""
TELL = """
import socket, sys
with socket.socket(socket.AF_UNIX) as stats:
    stats.connect("/run/haproxy/admin.sock")
    stats.sendall(sys.argv[1].encode() + b"\\n")
    answer = stats.recv(4096).decode().strip()
sys.exit(answer or None)
"""


@pytest.fixture
def anybody(plant: Plant) -> Iterator[httpx.Client]:
    with edges.client(plant) as client:
        yield client


@pytest.fixture
def device(plant: Plant) -> Iterator[httpx.Client]:
    with edges.client(plant, key=plant.secrets["mes_simulator_key"]) as client:
        yield client


def handshake(plant: Plant, context: ssl.SSLContext) -> ssl.SSLSocket:
    with socket.create_connection((edges.address(plant), 443), timeout=10) as raw:
        return context.wrap_socket(raw, server_hostname=edges.address(plant))


def test_tls_before_1_3_is_refused(plant: Plant) -> None:
    context = plant.tls()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        handshake(plant, context)


def test_http_2_is_negotiated(plant: Plant) -> None:
    context = plant.tls()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with handshake(plant, context) as connection:
        assert connection.version() == "TLSv1.3"
        assert connection.selected_alpn_protocol() == "h2"


def test_health_carries_the_security_headers(anybody: httpx.Client) -> None:
    answer = anybody.get("/health")
    assert answer.status_code == 200
    assert int(answer.headers["strict-transport-security"].removeprefix("max-age=")) >= 31536000
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert uuid.UUID(answer.headers["x-request-id"])
    assert "server" not in answer.headers


@pytest.mark.parametrize("path", ["/metrics", "/%6detrics", "/health/ready", "/health/database", "/%68ealth/redis"])
def test_internals_are_hidden(anybody: httpx.Client, path: str) -> None:
    answer = anybody.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == PROBLEM
    assert answer.json()["status"] == 404


def test_a_reading_without_a_key_is_refused(anybody: httpx.Client) -> None:
    answer = anybody.post("/api/v1/readings", json={"readings": []})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == PROBLEM


def test_an_acknowledged_reading_is_read_back(plant: Plant, device: httpx.Client) -> None:
    sensor = f"{plant.vars['plant_lines'][0]['equipment'][0]['id']}.temperature"
    now = datetime.now(UTC)
    answer = device.post(
        "/api/v1/readings",
        headers={"Idempotency-Key": str(uuid.uuid4())},
        json={"readings": [{"sensor": sensor, "time": now.isoformat(), "value": 41.25}]},
    )
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"received": 1, "accepted": 1, "duplicates": 0}

    page = device.get(
        "/api/v1/readings",
        params={"sensor": sensor, "from": now.isoformat(), "to": (now + timedelta(microseconds=1)).isoformat()},
    )
    assert [(item["value"], datetime.fromisoformat(item["time"])) for item in page.json()["items"]] == [(41.25, now)]


def test_a_bad_batch_is_a_problem(device: httpx.Client) -> None:
    answer = device.post(
        "/api/v1/readings",
        headers={"Idempotency-Key": str(uuid.uuid4())},
        json={"readings": [{"sensor": "Not A Sensor", "time": "yesterday", "value": "hot"}]},
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == PROBLEM


def test_a_body_too_large_stays_at_the_edge(device: httpx.Client) -> None:
    answer = device.post("/api/v1/readings", content=b" " * (9 * 1024 * 1024))
    assert answer.status_code == 413
    assert answer.headers["content-type"] == PROBLEM


def test_who_asks_too_often_is_told_to_wait(plant: Plant, host: Callable[[str], Host], anybody: httpx.Client) -> None:
    """As if this client had sent a million requests; the edge forgets it afterwards."""
    with socket.create_connection((edges.address(plant), 443), timeout=10) as connection:
        client = f"::ffff:{connection.getsockname()[0]}"
    (holder,) = edges.holders(plant, host)

    def tell(command: str) -> None:
        host(holder).check_output(shlex.join(["python3", "-c", TELL, command]))

    tell(f"set table service key {client} data.http_req_rate 1000000")
    try:
        answer = anybody.get("/health")
    finally:
        tell(f"clear table service key {client}")
    assert answer.status_code == 429
    assert answer.headers["content-type"] == PROBLEM
    assert int(answer.headers["retry-after"]) > 0
    assert anybody.get("/health").status_code == 200


def test_the_preview_leads_to_the_idle_colour(plant: Plant) -> None:
    """Which does not run as long as nothing is being deployed."""
    with edges.client(plant, port=8443) as preview:
        answer = preview.get("/health")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


def test_statistics_ask_who_is_there(plant: Plant, host: Callable[[str], Host]) -> None:
    edge = plant.groups["edge"][0]

    def ask(path: str, *login: str) -> str:
        url = f"https://{plant.address(edge)}:8404{path}"
        return str(host(edge).check_output(shlex.join(["python3", "-c", ASK, url, *login])))

    metrics = f"prometheus:{plant.secrets['metrics_password']}"
    statistics = f"kojo:{plant.secrets['haproxy_stats_password']}"
    assert ask("/metrics") == "401"
    assert ask("/metrics", statistics) == "401"
    assert "\nhaproxy_backend_status{" in ask("/metrics", metrics)
    assert ask("/", metrics) == "401"
    assert ask("/", statistics).startswith("200 ")


def test_the_edges_agree_on_the_decision(plant: Plant, host: Callable[[str], Host]) -> None:
    (decision,) = {edges.content(host(name), "/etc/haproxy/maps/colour.map") for name in plant.groups["edge"]}
    body, digest = decision.split("_digest ")
    assert hashlib.sha256(body.encode()).hexdigest() == digest
    assert dict(line.split() for line in body.splitlines())["active"] in ("blue", "green")


def test_haproxy_has_no_more_rights_than_it_needs(plant: Plant, host: Callable[[str], Host]) -> None:
    for name in plant.groups["edge"]:
        edge = host(name)
        assert edges.unit(edge, "haproxy")["UnitFileState"] == "enabled"
        assert set(edge.check_output("ps -C haproxy -o user=").split()) == {"haproxy"}
        assert edges.exposure(edge, "haproxy") <= 2.0
        assert edges.rights(edge, "/etc/haproxy/users.cfg") == "root haproxy 640"
        assert edges.rights(edge, "/run/haproxy/admin.sock") == "haproxy haproxy 600"
