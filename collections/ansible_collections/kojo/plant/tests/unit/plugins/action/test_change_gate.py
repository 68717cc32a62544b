"""change_gate as a task: what it answers, what it leaves behind, and what the journal has of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.kojo.plant.plugins.modules.change_gate import DOCUMENTATION
from ansible_collections.kojo.plant.plugins.plugin_utils.change_settings import OPTIONS
from ansible_collections.kojo.plant.tests.unit.plugins.approvers import Office
from ansible_collections.kojo.plant.tests.unit.plugins.change_desk import (
    CHANGE,
    DIGEST,
    KEY,
    NO_SERVER,
    OTHER_DIGEST,
    Desk,
    open_desk,
)
from ansible_collections.kojo.plant.tests.unit.plugins.journals import PEM
from ansible_collections.kojo.plant.tests.unit.plugins.plants import Plant

PASSWORD = "alertmanagers-CANARY-password"  # noqa: S105
GATE = """
- name: Ask
  kojo.plant.change_gate:
    change: "{{ change | default('%s') }}"
    digest: "{{ digest | default('%s') }}"
    reference: "{{ reference | default('deploy 1.4.0') }}"
    use: "{{ use | default(true) }}"
    url: "%s"
    alertmanager_url: "%s"
    break_glass_reason: "{{ because | default(omit) }}"
"""


class Works(Plant):
    """A plant whose service and Alertmanager are a desk, and whose approvers have an office."""

    def __init__(self, root: Path, desk: Desk, office: Office, **page: Any) -> None:
        secrets = {"mes_journal_signing_key": PEM, "mes_gate_key": KEY, "alertmanager_web_password": PASSWORD}
        approvers = {"plant_approvers": office.approvers, "plant_timezone": "Asia/Tokyo"}
        super().__init__(root, **({"plant_secrets": secrets} | approvers | page))
        self.desk, self.office = desk, office
        (self.folder / ".state/pki").mkdir(parents=True)
        (root / "ca.crt").rename(self.folder / ".state/pki/ca.crt")
        # where approvals are unless a task says otherwise
        office.folder = office.folder.rename(self.folder / "approvals")
        ignored = "[inventory]\nignore_patterns = ^approvals$\n"
        self.write("ansible.cfg", (root / "ansible.cfg").read_text(encoding="utf-8") + ignored)

    def ask(self, *options: str) -> dict[str, Any]:
        """What the one task of a run said."""
        playbook = self.playbook(GATE % (CHANGE, DIGEST, self.desk.url, self.desk.url))
        run = self.run(playbook, *options, ANSIBLE_STDOUT_CALLBACK="ansible.posix.json")
        said = json.loads(run.stdout[run.stdout.index("{") :])
        found: dict[str, Any] = said["plays"][0]["tasks"][0]["hosts"]["app1"]
        return found

    def decisions(self) -> list[dict[str, Any]]:
        return [event for event in self.events() if event["action"].startswith("change:")]


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    with open_desk(tmp_path) as desk:
        yield Works(tmp_path, desk, Office(tmp_path / "office"))


def option(name: str, value: object) -> tuple[str, str]:
    return "-e", json.dumps({name: value})


def now_window() -> dict[str, str]:
    moment = datetime.now(UTC)
    times = {"window_start": moment - timedelta(hours=1), "window_end": moment + timedelta(hours=1)}
    return {name: time.isoformat() for name, time in times.items()}


def test_a_change_is_asked_for_then_used_then_gone_on_with(works: Works) -> None:
    looked = works.ask("--check")
    assert (looked["changed"], looked["used"]) == (True, False)
    assert looked["diff"]["after"] == "used for deploy 1.4.0\n"
    assert works.desk.uses == []
    used = works.ask()
    assert (used["changed"], used["authority"], used["basis"], used["used"]) == (
        True,
        "service",
        "two-approvals",
        True,
    )
    again = works.ask()
    assert (again["changed"], again["basis"], again["used"]) == (False, "two-approvals", True)
    assert "diff" not in again
    assert works.ask("--check")["changed"] is False
    looked, used, *others = works.decisions()
    assert [event["action"] for event in (looked, used, *others)] == [
        "change:authorise",
        "change:use",
        "change:use",
        "change:authorise",
    ]
    assert looked["new"]["check_mode"] is True
    assert "check_mode" not in used["new"]
    assert used["record"] == {"id": CHANGE, "type": "change", "version": None}
    for name, value in {
        "digest": DIGEST,
        "plant": "works",
        "reference": "deploy 1.4.0",
        "basis": "two-approvals",
    }.items():
        assert used["new"][name] == value
    works.verified()


def test_a_no_fails_with_every_reason_and_is_recorded(works: Works) -> None:
    works.desk.refuse("it is withdrawn, not approved", state="withdrawn")
    said = works.ask(*option("digest", OTHER_DIGEST))
    reasons = [f"it is for the artefact {DIGEST}, not for {OTHER_DIGEST}", "it is withdrawn, not approved"]
    assert (said["failed"], said["reasons"]) == (True, reasons)
    assert said["msg"] == f"The change {CHANGE} may not be carried out: {'; '.join(reasons)}."
    (event,) = works.decisions()
    assert (event["action"], event["reason"]) == ("change:refuse", "; ".join(reasons))
    assert works.desk.uses == []


def test_a_break_glass_on_files_is_told_to_the_plant(works: Works) -> None:
    works.desk.says["GET"] = NO_SERVER
    works.office.write(CHANGE, "aiko", **now_window())
    assert "and it takes two people in two roles" in works.ask()["msg"]
    reason = option("because", "line 3 stands still")
    looked = works.ask(*reason, "--check")
    assert (looked["changed"], looked["alerted"], works.desk.alerts) == (True, False, [])
    assert not (works.office.folder / f"{CHANGE}.json.used").exists()
    said = works.ask(*reason)
    assert (said["basis"], said["alerted"], said["approvers"]) == ("break-glass", True, ["aiko"])
    due = datetime.fromisoformat(said["review_due"]) - datetime.now(UTC)
    assert timedelta(hours=23) < due <= timedelta(hours=24)
    (alert,) = works.desk.alerts
    assert alert["labels"]["change"] == CHANGE
    *_, event = works.decisions()
    assert (event["action"], event["reason"]) == ("change:break-glass", "line 3 stands still")
    assert (event["new"]["authority"], event["new"]["approvers"]) == ("files", ["aiko"])
    # the next change on files waits for the review, and is told again
    works.office.write("C-2", "aiko", "ken", **now_window())
    works.desk.says["alerts"] = NO_SERVER
    said = works.ask(*option("change", "C-2"))
    assert f"the break-glass of {CHANGE}" in said["msg"]
    assert said["alerted"] is False
    assert "tell those on call yourself" in said["warnings"][0]


def test_secrets_stay_where_they_are(works: Works) -> None:
    works.office.write(CHANGE, "aiko", **now_window())
    playbook = works.playbook(GATE % (CHANGE, DIGEST, works.desk.url, works.desk.url) + f"    api_key: {KEY}\n")
    works.desk.says["GET"] = (401, {"title": "Who are you?"})
    run = works.run(playbook, "-vvv")
    assert "doesn't let the gate ask" in run.stdout
    written = "".join(path.read_text(encoding="utf-8") for path in works.journal.glob("*.jsonl"))
    assert "CANARY" not in run.stdout + run.stderr + written


def test_without_the_journal_there_is_no_yes(works: Works) -> None:
    secrets = {"mes_gate_key": KEY, "alertmanager_web_password": PASSWORD}
    said = works.ask(*option("plant_secrets", secrets), *option("kojo_audit", "best_effort"))
    assert "decision is not in the audit journal, so it is no: there is no key" in said["msg"]
    assert works.desk.uses == []


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ([option("change", "../C-1")], "change: '../C-1' is not 1 to 100 letters"),
        ([option("digest", "3B" * 32)], "is not a SHA-256 in lower-case hex"),
        ([option("reference", " ")], "reference: ' ' is not one line"),
        ([option("plant_timezone", "Asia/Tokio")], "plant_timezone: 'Asia/Tokio' is not a time zone"),
        ([option("plant_production_windows", [{"weekdays": [8]}])], "plant_production_windows[0].starts: is missing"),
        ([option("plant_approvers", {"a": {"role": "devops_lead", "key": "x"}})], "plant_approvers.a.key: 'x' is not"),
        ([option("plant_secrets", {"mes_journal_signing_key": PEM})], "plant_secrets.mes_gate_key: is missing"),
    ],
)
def test_a_wrong_setting_is_named_before_anybody_is_asked(
    works: Works, options: list[tuple[str, str]], why: str
) -> None:
    assert why in works.ask(*(word for given in options for word in given))["msg"]
    assert works.desk.asked == []


def test_the_documented_options_are_those_that_it_reads() -> None:
    documented = yaml.safe_load(DOCUMENTATION)["options"]
    assert documented.keys() == OPTIONS.keys()
    for name, spec in OPTIONS.items():
        assert documented[name]["type"] == spec["type"], name
        assert documented[name].get("required", False) == spec.get("required", False), name
        assert documented[name].get("default") == spec.get("default"), name
