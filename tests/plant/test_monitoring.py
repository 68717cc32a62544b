"""Monitoring as its users see it: Prometheus, Alertmanager, every listener, and the record of alerts."""

from __future__ import annotations

import json
import socket
import ssl
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from testinfra.host import Host

from tests.plant.inventory import Plant
from tests.plant.monitoring import client
from tests.wait import eventually

# docs/building.md: the port of each scraped listener, its path, and how a client proves who it is
PASSWORD, CERTIFICATE = "password", "certificate"
LISTENERS = {
    "app": [(8081, "/quality/metrics", CERTIFICATE)],
    "gateway": [(8080, "/iot/metrics", CERTIFICATE), (9090, "/metrics", CERTIFICATE)],
    "database": [(2381, "/metrics", CERTIFICATE), (9187, "/metrics", PASSWORD)],
    "cache": [(9121, "/metrics", PASSWORD)],
    "edge": [(8404, "/metrics", PASSWORD)],
    "all": [(9100, "/metrics", PASSWORD)],
    "monitoring": [(9090, "/metrics", PASSWORD), (9093, "/metrics", PASSWORD)],
}
JOBS = {
    "app": {"quality-control"},
    "gateway": {"manufacturing-iot", "production-lines"},
    "database": {"manufacturing-postgres", "patroni", "etcd"},
    "cache": {"manufacturing-redis", "sentinel"},
    "edge": {"haproxy"},
    "all": {"node"},
    "monitoring": {"prometheus", "alertmanager"},
}
NAMED_ALERTS = {
    "ProductionLineDown",
    "QualityCheckFailure",
    "ManufacturingDatabaseDown",
    "IoTSensorDataLoss",
    "HighAPILatency",
    "ProductionEfficiencyLow",
    "EquipmentTemperatureHigh",
    "DataBackupFailed",
    "Watchdog",
}
# a budget remembers what happened; it says nothing about now
OF_THE_PAST = {"ErrorBudgetBurns"}
LOOK_BACK = 15 * 60  # seconds: UnitRestarting
DASHBOARD = "/etc/grafana/dashboards/manufacturing-operations.json"

# Runs on the monitoring host, which alone may reach the exporters: what does a stranger get of each listener?
STRANGER = """
import json, socket, ssl, sys
def ask(address, port, path, context):
    try:
        with socket.create_connection((address, port), timeout=10) as plain:
            channel = context.wrap_socket(plain, server_hostname=address) if context else plain
            channel.sendall(f"GET {path} HTTP/1.1\\r\\nHost: {address}\\r\\nConnection: close\\r\\n\\r\\n".encode())
            answer = channel.recv(100).split()
            return int(answer[1]) if len(answer) > 1 and answer[0].startswith(b"HTTP/") else "refused"
    except OSError:
        return "refused"
modern = ssl.create_default_context(cafile="/etc/kojo/pki/ca.crt")
old = ssl.create_default_context(cafile="/etc/kojo/pki/ca.crt")
old.maximum_version = ssl.TLSVersion.TLSv1_2
print(json.dumps([
    {"listener": f"{address}:{port}", "login": login, "stranger": ask(address, port, path, modern),
     "plaintext": ask(address, port, path, None), "tls12": ask(address, port, path, old)}
    for address, port, path, login in json.loads(sys.argv[1])]))
"""


@pytest.fixture(scope="module")
def prometheus(plant: Plant) -> Iterator[httpx.Client]:
    with client(plant, 9090, "prometheus_web_password") as connected:
        yield connected


@pytest.fixture(scope="module")
def alertmanager(plant: Plant) -> Iterator[httpx.Client]:
    with client(plant, 9093, "alertmanager_web_password") as connected:
        yield connected


@pytest.fixture(scope="module")
def monitor(plant: Plant, host: Callable[[str], Host]) -> Host:
    return host(plant.groups["monitoring"][0])


def data(prometheus: httpx.Client, path: str, **parameters: str) -> Any:
    answer = prometheus.get(f"/api/v1/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def members(plant: Plant, group: str) -> list[str]:
    return plant.hosts if group == "all" else plant.groups[group]


def test_every_target_of_the_inventory_is_up(plant: Plant, prometheus: httpx.Client) -> None:
    wanted = {(job, host) for group, jobs in JOBS.items() for job in jobs for host in members(plant, group)}
    # of the two colours of an app host, one may be idle
    wanted |= {("manufacturing-api", host) for host in plant.groups["app"]}

    def up() -> set[tuple[str, str]]:
        targets = data(prometheus, "targets", state="active")["activeTargets"]
        return {(item["labels"]["job"], item["labels"]["host"]) for item in targets if item["health"] == "up"}

    eventually(up, lambda seen: seen == wanted, 90)


def test_targets_say_where_they_are(plant: Plant, prometheus: httpx.Client) -> None:
    zones = {name: zone["network"].rsplit(".", 1)[0] for name, zone in plant.vars["plant_zones"].items()}
    for target in data(prometheus, "targets", state="active")["activeTargets"]:
        labels = target["labels"]
        assert labels["plant"] == plant.vars["plant_id"]
        assert labels["instance"].startswith(f"{plant.address(labels['host'])}:")
        assert labels["instance"].startswith(zones[labels["zone"]])


def test_strangers_get_nothing(plant: Plant, monitor: Host) -> None:
    listeners = [
        (plant.address(host), port, path, login)
        for group, entries in LISTENERS.items()
        for host in members(plant, group)
        for port, path, login in entries
    ]
    run = monitor.run("python3 -c %s %s", STRANGER, json.dumps(listeners))
    assert run.rc == 0, run.stderr
    answers = json.loads(run.stdout)
    assert len(answers) == len(listeners)
    for answer in answers:
        assert answer["stranger"] == (401 if answer["login"] == PASSWORD else "refused"), answer
        # a TLS listener may say in plain words that it is one
        assert answer["plaintext"] in {"refused", 400}, answer
        assert answer["tls12"] == "refused", answer


@pytest.mark.parametrize("port", [9090, 9093])
def test_engineers_must_log_in(plant: Plant, port: int) -> None:
    address = plant.address(plant.groups["monitoring"][0])
    with httpx.Client(verify=plant.tls()) as stranger:
        assert stranger.get(f"https://{address}:{port}/").status_code == 401
        assert stranger.get(f"https://{address}:{port}/", auth=("kojo", "wrong")).status_code == 401
    old = plant.tls()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection((address, port), timeout=10) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain, server_hostname=address)


def test_rules_are_loaded_and_healthy(prometheus: httpx.Client) -> None:
    rules = [rule for group in data(prometheus, "rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules if rule["type"] == "alerting"} >= NAMED_ALERTS
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] == "err"] == []


def test_every_panel_has_data(prometheus: httpx.Client, monitor: Host) -> None:
    dashboard = json.loads(monitor.file(DASHBOARD).content_string)
    queries = {
        (panel["title"], target["refId"]): target["expr"]
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }
    assert len(queries) >= 7

    def empty() -> list[tuple[str, str]]:
        return [
            key
            for key, query in queries.items()
            if not [
                item
                for item in data(prometheus, "query", query=query)["result"]
                if item["value"][1] not in {"NaN", "+Inf", "-Inf"}
            ]
        ]

    eventually(empty, lambda seen: seen == [], 120)


def test_dashboard_is_in_the_plants_language(plant: Plant, monitor: Host) -> None:
    titles = {panel["title"] for panel in json.loads(monitor.file(DASHBOARD).content_string)["panels"]}
    wanted = {"ja": {"ラインの稼働状態", "設備の健全度"}, "en": {"Line status", "Equipment health"}}
    assert titles >= wanted[plant.vars["plant_language"]]


def test_healthy_plant_has_no_alert(prometheus: httpx.Client) -> None:
    def firing() -> set[str]:
        alerts = data(prometheus, "alerts")["alerts"]
        return {item["labels"]["alertname"] for item in alerts if item["state"] == "firing"} - OF_THE_PAST

    # what was killed on purpose before stays in the rules' sight for as long as they look back
    eventually(firing, lambda seen: seen == {"Watchdog"}, LOOK_BACK + 60)


def test_watchdog_reaches_alertmanager_and_the_record(alertmanager: httpx.Client, monitor: Host) -> None:
    active = alertmanager.get("/api/v2/alerts", params={"filter": 'alertname="Watchdog"'}).json()
    assert [item["status"]["state"] for item in active] == ["active"]
    assert active[0]["receivers"][0]["name"] == "journal"
    assert '"alertname": "Watchdog"' in monitor.check_output("journalctl -t kojo-alerts -o cat --no-pager")


def test_alert_is_recorded_when_it_comes_and_when_it_goes(alertmanager: httpx.Client, monitor: Host) -> None:
    name = f"Test-{uuid.uuid4()}"
    now = datetime.now(UTC)

    def send(ends: datetime) -> None:
        alert = {
            "labels": {"alertname": name, "severity": "none"},
            "annotations": {"summary": "試験"},
            "startsAt": now.isoformat(),
            "endsAt": ends.isoformat(),
        }
        assert alertmanager.post("/api/v2/alerts", json=[alert]).status_code == 200

    def recorded() -> list[str]:
        lines = monitor.check_output("journalctl -t kojo-alerts -o cat --no-pager --since -5min").splitlines()
        return [json.loads(line)["status"] for line in lines if name in line and "試験" in line]

    send(now + timedelta(minutes=5))
    eventually(recorded, lambda seen: seen == ["firing"], 60)
    send(datetime.now(UTC))
    eventually(recorded, lambda seen: seen == ["firing", "resolved"], 120)


def test_record_lets_no_stranger_in(monitor: Host) -> None:
    """Without a certificate of the plant, a local program can't write into the record."""
    marker = f"forged-{uuid.uuid4()}"
    body = json.dumps({"alerts": [{"status": marker}]})
    script = (
        "import ssl, sys, urllib.request\n"
        "context = ssl.create_default_context(cafile='/etc/kojo/pki/ca.crt')\n"
        "urllib.request.urlopen('https://127.0.0.1:9095/', sys.argv[1].encode(), 10, context=context)\n"
    )
    assert monitor.run("python3 -c %s %s", script, body).rc != 0
    assert marker not in monitor.check_output("journalctl -t kojo-alerts -o cat --no-pager --since -5min")
