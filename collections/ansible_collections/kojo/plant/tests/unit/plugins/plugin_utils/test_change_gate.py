"""The gate as a whole: a real server of TLS, real signatures, the clock of the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.https_json import HttpsJson
from ansible_collections.kojo.plant.plugins.plugin_utils.break_glass_alert import NotTold, tell
from ansible_collections.kojo.plant.plugins.plugin_utils.change_approval import Approvals
from ansible_collections.kojo.plant.plugins.plugin_utils.change_decision import Authority, Basis, Question, Refused
from ansible_collections.kojo.plant.plugins.plugin_utils.change_gate import Gate
from ansible_collections.kojo.plant.plugins.plugin_utils.change_service import ChangeService
from ansible_collections.kojo.plant.tests.unit.plugins.approvers import Office
from ansible_collections.kojo.plant.tests.unit.plugins.change_desk import (
    CHANGE,
    DIGEST,
    KEY,
    NO_CHANGE,
    NO_ROUTE,
    NO_SERVER,
    Desk,
    open_desk,
)

NOW = datetime(2026, 12, 1, 13, 30, tzinfo=UTC)  # Tuesday, 22:30 in Tokyo
QUESTION = Question(CHANGE, DIGEST, "works", "deploy 1.4.0")
OTHER = replace(QUESTION, reference="deploy 1.4.0 again")
WINDOW = {"weekdays": [2], "starts": "22:00", "ends": "23:00"}
INSIDE = "it is inside the production window Tue 22:00 to 23:00 (Asia/Tokyo), and the change doesn't say"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as desk:
        yield desk


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.fixture
def gate(desk: Desk, office: Office, tmp_path: Path) -> Gate:
    service = ChangeService(HttpsJson(desk.url, str(tmp_path / "ca.crt")), KEY, pause=lambda _: None)
    return Gate(service, Approvals(office.folder, office.approvers), [], "Asia/Tokyo")


def record(office: Office) -> Path:
    return office.folder / f"{CHANGE}.json.used"


def test_the_service_is_the_authority(desk: Desk, office: Office, gate: Gate) -> None:
    grant = gate.use(QUESTION, gate.ask(QUESTION, NOW, None), NOW)
    assert (grant.authority, grant.basis) == (Authority.SERVICE, Basis.APPROVALS)
    assert len(desk.uses) == 1
    assert not record(office).exists()


@pytest.mark.parametrize("said", [NO_CHANGE, None])
def test_files_do_not_overrule_its_no(desk: Desk, office: Office, gate: Gate, said: tuple[int, object] | None) -> None:
    office.write(CHANGE, "aiko", "ken")
    if said:
        desk.says["GET"] = said
    else:
        desk.refuse("it is withdrawn, not approved")
    with pytest.raises(Refused) as refused:
        gate.ask(QUESTION, NOW, "line 3 stands still")
    assert len(refused.value.reasons) == 1
    assert "withdrawn" in str(refused.value) or "no change request" in str(refused.value)


@pytest.mark.parametrize("said", [NO_SERVER, NO_ROUTE])
def test_files_stand_in_for_its_silence(desk: Desk, office: Office, gate: Gate, said: tuple[int, object]) -> None:
    desk.says["GET"] = said
    office.write(CHANGE, "aiko", "ken")
    grant = gate.use(QUESTION, gate.ask(QUESTION, NOW, None), NOW)
    assert (grant.authority, grant.approvers) == (Authority.FILES, ("aiko", "ken"))
    assert record(office).exists()
    assert desk.uses == []


def test_a_no_of_the_files_says_that_the_service_was_silent(desk: Desk, office: Office, gate: Gate) -> None:
    desk.says["GET"] = NO_SERVER
    with pytest.raises(Refused) as refused:
        gate.ask(QUESTION, NOW, None)
    assert refused.value.reasons == (
        f"there is no {office.folder}/{CHANGE}.json",
        "the service could not be asked instead of the files: it answered 503, Service Unavailable",
    )


def test_what_was_used_on_files_is_used_when_the_service_is_back(desk: Desk, office: Office, gate: Gate) -> None:
    """The service has not heard of it, and would say yes."""
    office.write(CHANGE, "aiko", "ken")
    desk.says["GET"] = NO_SERVER
    gate.use(QUESTION, gate.ask(QUESTION, NOW, None), NOW)
    desk.says.clear()
    with pytest.raises(Refused, match=r"used at 2026-12-01T13:30:00Z for deploy 1\.4\.0$"):
        gate.ask(OTHER, NOW, None)
    # the run that used it goes on, and the service hears of it
    grant = gate.use(QUESTION, gate.ask(QUESTION, NOW, None), NOW)
    assert (grant.authority, len(desk.uses)) == (Authority.SERVICE, 1)


def test_what_the_service_was_used_for_is_used_when_it_is_gone(desk: Desk, office: Office, gate: Gate) -> None:
    office.write(CHANGE, "aiko", "ken")
    gate.use(QUESTION, gate.ask(QUESTION, NOW, None), NOW)
    desk.says["GET"] = NO_SERVER
    with pytest.raises(Refused, match=r"used at 2026-12-01T13:30:00Z for deploy 1\.4\.0"):
        gate.ask(OTHER, NOW, None)
    assert gate.ask(QUESTION, NOW, None).used


def test_a_glass_that_was_broken_in_the_service_is_reviewed_there(desk: Desk, office: Office, gate: Gate) -> None:
    """It holds up no change on files, and is told by the service's own metric."""
    office.write(CHANGE, "aiko")
    office.write("C-2", "aiko", "ken")
    desk.authorisation["basis"] = "break-glass"
    desk.break_glass = {"reason": "fire", "review_due_at": "2026-12-02T13:00:00Z"}
    assert gate.use(QUESTION, gate.ask(QUESTION, NOW, None), NOW).basis is Basis.BREAK_GLASS
    assert record(office).exists()
    assert list(gate.approvals.broken_glass()) == []
    desk.says["GET"] = NO_SERVER
    assert gate.ask(replace(QUESTION, change="C-2"), NOW, None).basis is Basis.APPROVALS


def test_a_use_without_an_answer_is_no_yes_and_the_same_run_may_try_again(desk: Desk, gate: Gate) -> None:
    grant = gate.ask(QUESTION, NOW, None)
    desk.says["POST"] = NO_SERVER
    with pytest.raises(Refused, match=r"whether the service took its use isn't known \(it answered 503"):
        gate.use(QUESTION, grant, NOW)
    desk.says.clear()
    assert gate.use(QUESTION, gate.ask(QUESTION, NOW, None), NOW).basis is Basis.APPROVALS


@pytest.mark.parametrize("silent", [False, True])
def test_inside_a_production_window(desk: Desk, office: Office, gate: Gate, silent: bool) -> None:
    gate = replace(gate, windows=[WINDOW])
    office.write(CHANGE, "aiko", "ken")
    desk.says |= {"GET": NO_SERVER} if silent else {}
    with pytest.raises(Refused) as refused:
        gate.ask(QUESTION, NOW, None)
    assert str(refused.value).startswith(INSIDE)
    assert gate.ask(QUESTION, NOW + timedelta(minutes=30), None).basis is Basis.APPROVALS
    # and when the change says so
    office.write(CHANGE, "aiko", "ken", during_production=True)
    desk.authorisation["during_production"] = True
    assert gate.ask(QUESTION, NOW, None).during_production


def test_a_run_does_not_go_on_inside_a_production_window(desk: Desk, gate: Gate) -> None:
    early = NOW - timedelta(hours=1)
    gate.use(QUESTION, gate.ask(QUESTION, early, None), early)
    assert gate.ask(QUESTION, NOW, None).used
    with pytest.raises(Refused, match="inside the production window"):
        replace(gate, windows=[WINDOW]).ask(QUESTION, NOW, None)


def test_the_gate_breaks_no_glass_while_the_service_answers(desk: Desk, office: Office, gate: Gate) -> None:
    office.write(CHANGE, "aiko")
    desk.refuse("it is submitted, not approved")
    with pytest.raises(Refused, match=r"^it is submitted, not approved$"):
        gate.ask(QUESTION, NOW, "line 3 stands still")


@pytest.fixture
def alertmanager(desk: Desk, tmp_path: Path) -> HttpsJson:
    return HttpsJson(desk.url, str(tmp_path / "ca.crt"), basic_auth=("kojo", "secret"))


def test_a_broken_glass_is_told_until_its_review(
    desk: Desk, office: Office, gate: Gate, alertmanager: HttpsJson
) -> None:
    assert tell(alertmanager, "works", gate.approvals.broken_glass(), NOW) is False
    office.write(CHANGE, "aiko")
    desk.says["GET"] = NO_SERVER
    gate.use(QUESTION, gate.ask(QUESTION, NOW, "line 3 stands still"), NOW)
    assert tell(alertmanager, "works", gate.approvals.broken_glass(), NOW) is True
    (alert,) = desk.alerts
    assert alert["labels"] == {
        "alertname": "BreakGlassUnreviewed",
        "severity": "high",
        "department": "compliance",
        "notify": "page",
        "plant": "works",
        "change": CHANGE,
    }
    assert alert["annotations"]["description"] == (
        "By aiko, for deploy 1.4.0; review due 2026-12-02T13:30:00Z. Reason: line 3 stands still"
    )
    assert (alert["startsAt"], alert["endsAt"]) == ("2026-12-01T13:30:00Z", "2026-12-08T13:30:00Z")

    office.review(CHANGE, "ken")
    tell(alertmanager, "works", gate.approvals.broken_glass(), NOW + timedelta(hours=1))
    assert desk.alerts[1]["labels"] == alert["labels"]
    assert desk.alerts[1]["endsAt"] == "2026-12-01T14:30:00Z"
    # long afterwards nobody is told of it again
    assert tell(alertmanager, "works", gate.approvals.broken_glass(), NOW + timedelta(days=8)) is False


def test_the_labels_are_those_of_the_rule() -> None:
    """So that both ways of breaking the glass are routed, and inhibited, alike."""
    rules = Path(__file__).parents[8] / "roles/prometheus/templates/rules/compliance.yml.j2"
    _, _, rule = rules.read_text(encoding="utf-8").partition("- alert: BreakGlassUnreviewed\n")
    assert "labels: {severity: high, department: compliance, notify: page}" in rule


def test_an_alertmanager_that_can_not_be_told(desk: Desk, office: Office, gate: Gate, alertmanager: HttpsJson) -> None:
    office.write(CHANGE, "aiko")
    desk.says |= {"GET": NO_SERVER, "alerts": (401, "Unauthorized")}
    gate.use(QUESTION, gate.ask(QUESTION, NOW, "line 3 stands still"), NOW)
    glasses = list(gate.approvals.broken_glass())
    with pytest.raises(NotTold, match="it answered 401 Unauthorized"):
        tell(alertmanager, "works", glasses, NOW)
    with pytest.raises(NotTold, match="the plant has no monitoring host"):
        tell(None, "works", glasses, NOW)
    with pytest.raises(NotTold, match=r"127\.0\.0\.1:1/api/v2/alerts"):
        tell(HttpsJson("https://127.0.0.1:1", str(office.folder)), "works", glasses, NOW)
