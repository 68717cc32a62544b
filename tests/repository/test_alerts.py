"""The alert rules of plant_a, on promtool.

Each alert has a case where it is silent, one where it fires, and one after its series have vanished.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CASES = sorted(path for path in (ROOT / "tests/repository/alerts").glob("*.yml") if path.name != "render.yml")
# the first depends on no series; the second has a rule for each target, and tests of its own below
OTHERWISE_TESTED = {"Watchdog", "TargetMissing"}
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration: str) -> int:
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", duration))


def samples(values: str) -> int:
    """How many intervals promtool's notation covers: `1x3` and `0+5x3` are four samples, `_x3` three, others one."""
    count = 0
    for item in values.split():
        repeat = re.search(r"x(\d+)$", item)
        count += (int(repeat[1]) + (not item.startswith("_"))) if repeat else 1
    return count


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rules as the monitoring host gets them, with the parts that plant_a has yet to switch on."""
    path = tmp_path_factory.mktemp("rules") / "plant.rules.yml"
    playbook = ROOT / "tests/repository/alerts/render.yml"
    subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            *("-i", ROOT / "inventories/plant_a", playbook),
            *("-e", f"rules_file={path}", "-e", "prometheus_audit_enabled=true"),
            *("-e", f"ansible_python_interpreter={sys.executable}"),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return path


@pytest.fixture(scope="module")
def departments(rules: Path) -> Path:
    """One file of rules a department: a case then evaluates only those that it is about."""
    for group in yaml.safe_load(rules.read_text())["groups"]:
        rules.with_name(f"{group['name']}.rules.yml").write_text(yaml.safe_dump({"groups": [group]}))
    return rules.parent


@pytest.fixture(scope="module")
def alerts(rules: Path) -> list[dict[str, Any]]:
    groups = yaml.safe_load(rules.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def cases() -> list[dict[str, Any]]:
    return [case for path in CASES for case in yaml.safe_load(path.read_text())["tests"]]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_rules_behave(path: Path, departments: Path) -> None:
    case = shutil.copy(path, departments)
    run = subprocess.run(["promtool", "test", "rules", case], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_rules_pass_promtools_lint(rules: Path) -> None:
    run = subprocess.run(
        ["promtool", "check", "rules", "--lint-fatal", rules], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_alert_has_its_cases(alerts: list[dict[str, Any]]) -> None:
    found: dict[str, set[str]] = {rule["alert"]: set() for rule in alerts}
    for case in cases():
        ends = [samples(item["values"]) for item in case["input_series"] if item["values"].endswith(" stale")]
        for check in case["alert_rule_test"]:
            outcomes = found[check["alertname"]]
            outcomes.add("fires" if check["exp_alerts"] else "is silent")
            if ends and seconds(check["eval_time"]) >= seconds(case["interval"]) * max(ends):
                outcomes.add("has its series vanish")
    wanted = {"fires", "is silent", "has its series vanish"}
    missing = {alert: wanted - have for alert, have in found.items() if alert not in OTHERWISE_TESTED and wanted - have}
    assert missing == {}


def test_every_alert_says_who_is_told(alerts: list[dict[str, Any]]) -> None:
    for rule in alerts:
        labels = rule["labels"]
        assert labels["severity"] in {"critical", "high", "warning", "none"}, rule
        assert labels["department"] in {"production", "maintenance", "quality", "it", "compliance"}, rule
        assert (labels.get("notify") in {"page", "ticket"}) == (labels["severity"] != "none"), rule
        assert set(rule["annotations"]) == {"summary", "description"}, rule


def test_every_expected_target_has_a_rule(alerts: list[dict[str, Any]]) -> None:
    """The oracle: ports of docs/building.md by group, over the hosts of the inventory."""
    groups = yaml.safe_load((ROOT / "inventories/plant_a/hosts.yml").read_text())["all"]
    hosts = {name: host["ansible_host"] for name, host in groups["hosts"].items()}
    ports = {
        "app": (8081, 8101, 8102),
        "gateway": (8080, 9090),
        "database": (2381, 8008, 9187),
        "cache": (9121,),
        "edge": (8404,),
        "monitoring": (9090, 9093),
    }
    wanted = {f"{address}:9100" for address in hosts.values()}
    for group, numbers in ports.items():
        wanted |= {f"{hosts[host]}:{number}" for host in groups["children"][group]["hosts"] for number in numbers}
    missing = [rule["expr"] for rule in alerts if rule["alert"] == "TargetMissing"]
    assert {instance for expr in missing for instance in re.findall(r'instance="([^"]+)"', expr)} == wanted
    assert all(expr.startswith("absent(up{") for expr in missing)


def test_missing_target_is_noticed(alerts: list[dict[str, Any]], departments: Path) -> None:
    """All targets are known and one vanishes, which is then named."""
    targets = [rule["labels"] for rule in alerts if rule["alert"] == "TargetMissing"]
    for gone in targets[:: len(targets) // 3]:
        document = {
            "rule_files": ["targets.rules.yml"],
            "evaluation_interval": "1m",
            "tests": [
                {
                    "interval": "1m",
                    "input_series": [
                        {
                            "series": f'up{{job="{target["job"]}",instance="{target["instance"]}"}}',
                            "values": "1x5 stale" if target is gone else "0x30",
                        }
                        for target in targets
                    ],
                    "alert_rule_test": [
                        {"eval_time": "5m", "alertname": "TargetMissing", "exp_alerts": []},
                        {
                            "eval_time": "15m",
                            "alertname": "TargetMissing",
                            "exp_alerts": [
                                {
                                    "exp_labels": gone,
                                    "exp_annotations": {
                                        "summary": f"{gone['job']} on {gone['host']} is not scraped",
                                        "description": "The inventory expects it, and Prometheus does not know it.",
                                    },
                                }
                            ],
                        },
                    ],
                }
            ],
        }
        case = departments / "missing.yml"
        case.write_text(yaml.safe_dump(document))
        run = subprocess.run(["promtool", "test", "rules", case], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
