"""Whom an alert reaches, by amtool; and what the record of alerts writes."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGERDUTY = {"alertmanager_pagerduty_routing_key": "key"}
SLACK = {"alertmanager_slack_api_url": "https://slack.invalid/hook"}


@pytest.fixture
def routes(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    def render(variables: dict[str, str]) -> Path:
        path = tmp_path / "alertmanager.yml"
        subprocess.run(
            [
                Path(sys.executable).with_name("ansible-playbook"),
                *("-i", ROOT / "inventories/plant_a", ROOT / "tests/repository/alertmanager/render.yml"),
                *("-e", json.dumps({"routes_file": str(path), "ansible_python_interpreter": sys.executable})),
                *("-e", json.dumps(variables)),
            ],
            cwd=ROOT,
            check=True,
            capture_output=True,
        )
        return path

    return render


def receivers(path: Path, *labels: str) -> list[str]:
    run = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={path}", *labels],
        check=True,
        capture_output=True,
        text=True,
    )
    return run.stdout.strip().split(",")


def test_plant_that_is_offline_records_everything(routes: Callable[[dict[str, str]], Path]) -> None:
    path = routes({})
    for labels in (["notify=page"], ["notify=ticket"], ["alertname=Watchdog"], ["alertname=Unknown"]):
        assert receivers(path, *labels) == ["journal"]


def test_pages_and_tickets_go_their_ways_after_the_record(routes: Callable[[dict[str, str]], Path]) -> None:
    path = routes(PAGERDUTY | SLACK)
    assert receivers(path, "notify=page", "alertname=ProductionLineDown") == ["journal", "pagerduty"]
    assert receivers(path, "notify=ticket", "alertname=HighAPILatency") == ["journal", "slack"]
    assert receivers(path, "alertname=Watchdog") == ["journal"]


def test_one_service_alone(routes: Callable[[dict[str, str]], Path]) -> None:
    path = routes(SLACK)
    assert receivers(path, "notify=page") == ["journal"]
    assert receivers(path, "notify=ticket") == ["journal", "slack"]


def test_secrets_are_not_in_the_configuration(routes: Callable[[dict[str, str]], Path]) -> None:
    assert "slack.invalid" not in routes(PAGERDUTY | SLACK).read_text()


@pytest.fixture(scope="module")
def journal() -> ModuleType:
    path = ROOT / "roles/alertmanager/files/alert_journal.py"
    spec = importlib.util.spec_from_file_location("alert_journal", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_record_has_one_line_an_alert(journal: ModuleType) -> None:
    alerts = [
        {
            "status": "firing",
            "labels": {"line": "line-1"},
            "annotations": {"summary": "停止\nした"},
            "fingerprint": "x",
        },
        {"status": "resolved", "labels": {"line": "line-2"}},
    ]
    lines = journal.lines(json.dumps({"version": "4", "alerts": alerts}).encode())
    assert [line.count("\n") for line in lines] == [0, 0]
    assert "停止" in lines[0]
    assert [json.loads(line)["labels"]["line"] for line in lines] == ["line-1", "line-2"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"alerts": 1}', b'{"alerts": [1]}', b"\xff"])
def test_what_is_no_notification_is_refused(journal: ModuleType, body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        journal.lines(body)
