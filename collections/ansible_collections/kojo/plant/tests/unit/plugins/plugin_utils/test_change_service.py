"""The service's side of the gate, over real TLS: what is a no, what is no answer, and that a use is one use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.https_json import HttpsJson
from ansible_collections.kojo.plant.plugins.plugin_utils.change_decision import Basis, Question, Refused
from ansible_collections.kojo.plant.plugins.plugin_utils.change_service import ChangeService, Unanswered
from ansible_collections.kojo.plant.tests.unit.plugins.change_desk import (
    CHANGE,
    DIGEST,
    KEY,
    NO_CHANGE,
    NO_ROUTE,
    NO_SERVER,
    OTHER_DIGEST,
    SERVICE,
    Desk,
    fields,
    open_desk,
    problem,
)

NOW = datetime(2026, 12, 1, 13, 4, 12, tzinfo=UTC)
QUESTION = Question(CHANGE, DIGEST, "works", "deploy 1.4.0")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as desk:
        yield desk


@pytest.fixture
def service(desk: Desk, tmp_path: Path) -> ChangeService:
    return at(desk.url, tmp_path)


def at(url: str, folder: Path, key: str = KEY) -> ChangeService:
    return ChangeService(HttpsJson(url, str(folder / "ca.crt")), key, pause=lambda _: None)


def test_the_desk_of_these_tests_speaks_as_the_service(desk: Desk, service: ChangeService) -> None:
    assert desk.authorisation.keys() == fields("Authorisation")
    service.use(QUESTION, service.ask(QUESTION, NOW))
    (stored,) = desk.keys.values()
    assert stored["body"].keys() == fields("Use")
    assert stored["use"].keys() == fields("UseOut")
    assert stored.keys() - {"body"} <= fields("Change")
    for kind, where in {"not-found": "changes/service.py", "idempotency-key-in-flight": "kit/writes.py"}.items():
        assert f'"{kind}"' in (SERVICE / where).read_text(encoding="utf-8")


def test_an_approved_change_is_used_once_by_one_reference(desk: Desk, service: ChangeService) -> None:
    grant = service.ask(QUESTION, NOW)
    assert (grant.basis, grant.used, grant.during_production) == (Basis.APPROVALS, False, False)
    assert service.use(QUESTION, grant).basis is Basis.APPROVALS
    again = service.ask(QUESTION, NOW)
    assert again.used
    assert service.use(QUESTION, again).basis is Basis.APPROVALS
    assert len(desk.uses) == 2
    assert len(set(desk.uses)) == 1
    other = Question(CHANGE, DIGEST, "works", "deploy 1.4.0 again")
    with pytest.raises(Refused, match=r"^it was used at 2026-12-01T13:04:11Z for deploy 1\.4\.0$"):
        service.ask(other, NOW)


def test_a_run_goes_on_for_a_day(desk: Desk, service: ChangeService) -> None:
    service.use(QUESTION, service.ask(QUESTION, NOW))
    assert service.ask(QUESTION, NOW + timedelta(hours=23)).used
    with pytest.raises(Refused, match=r"used at .* for deploy 1\.4\.0, and a run goes on for 24 hours at most"):
        service.ask(QUESTION, NOW + timedelta(hours=25))


def test_another_artefact_is_no_going_on(desk: Desk, service: ChangeService) -> None:
    service.use(QUESTION, service.ask(QUESTION, NOW))
    with pytest.raises(Refused, match=f"it is for the artefact {DIGEST}, not for {OTHER_DIGEST}"):
        service.ask(Question(CHANGE, OTHER_DIGEST, "works", "deploy 1.4.0"), NOW)


def test_every_reason_of_the_service_is_told(desk: Desk, service: ChangeService) -> None:
    reasons = ("it is for the plant mill, not for works", "it is withdrawn, not approved")
    desk.refuse(*reasons, state="withdrawn")
    with pytest.raises(Refused) as refused:
        service.ask(QUESTION, NOW)
    assert refused.value.reasons == reasons


def test_break_glass_is_told_with_its_review(desk: Desk, service: ChangeService) -> None:
    desk.authorisation["basis"] = "break-glass"
    desk.break_glass = {"reason": "fire", "review_due_at": "2026-12-02T13:00:00Z"}
    grant = service.ask(QUESTION, NOW)
    assert grant.basis is Basis.BREAK_GLASS
    used = service.use(QUESTION, grant)
    assert (used.reason, used.review_due) == ("fire", datetime(2026, 12, 2, 13, tzinfo=UTC))
    # the run that goes on is told too
    assert service.use(QUESTION, service.ask(QUESTION, NOW)).basis is Basis.BREAK_GLASS


NOT_AUTHORISATIONS = [
    "<html>",
    [],
    {},
    {"authorised": True},
    {"authorised": False, "reasons": 3, "use": None},
    {"authorised": True, "basis": "a nod", "reasons": [], "use": None, "during_production": False, "until": None},
]


@pytest.mark.parametrize(
    "said",
    [
        *[(status, {"title": "Not now"}) for status in (429, 500, 502, 503, 504)],
        NO_SERVER,
        NO_ROUTE,
        (404, "404 page not found"),
        (405, {}),
        *[(200, said) for said in NOT_AUTHORISATIONS],
    ],
)
def test_what_is_no_answer(desk: Desk, service: ChangeService, said: tuple[int, Any]) -> None:
    desk.says["GET"] = said
    with pytest.raises(Unanswered):
        service.ask(QUESTION, NOW)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (NO_CHANGE, f"the service says 404, There is no change request {CHANGE}"),
        (
            problem(422, "invalid-request", "The request is not valid", "Nothing was stored."),
            "says 422, The request is",
        ),
        ((403, {"title": "You may not"}), r"doesn't let the gate ask \(403, You may not\): plant_secrets.mes_gate_key"),
        ((301, ""), "the service says 301, without a word"),
    ],
)
def test_what_is_a_no(desk: Desk, service: ChangeService, said: tuple[int, Any], why: str) -> None:
    desk.says["GET"] = said
    with pytest.raises(Refused, match=why):
        service.ask(QUESTION, NOW)


def test_a_wrong_key_is_a_no(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"401, Who are you\?.*mes_gate_key is not the key that it knows"):
        at(desk.url, tmp_path, "another").ask(QUESTION, NOW)


def test_nobody_there_is_no_answer(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(Unanswered, match=r"127\.0\.0\.1:1/"):
        at("https://127.0.0.1:1", tmp_path).ask(QUESTION, NOW)


def test_somebody_else_is_not_asked(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with open_desk(tmp_path / "other"), pytest.raises(Unanswered, match="CERTIFICATE_VERIFY_FAILED"):
        at(desk.url, tmp_path / "other").ask(QUESTION, NOW)
    assert desk.asked == []


def test_before_there_is_an_authority_nobody_is_asked(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").unlink()
    with pytest.raises(Unanswered):
        at(desk.url, tmp_path).ask(QUESTION, NOW)


@pytest.mark.parametrize("said", [NO_SERVER, problem(409, "idempotency-key-in-flight", "A request is being answered")])
def test_a_use_without_an_answer_is_sent_again(desk: Desk, tmp_path: Path, said: tuple[int, Any]) -> None:
    def answers_next(_seconds: float) -> None:
        desk.says.clear()

    service = ChangeService(HttpsJson(desk.url, str(tmp_path / "ca.crt")), KEY, pause=answers_next)
    grant = service.ask(QUESTION, NOW)
    desk.says["POST"] = said
    assert service.use(QUESTION, grant).basis is Basis.APPROVALS
    assert len(desk.uses) == 2
    assert len(set(desk.uses)) == 1


def test_a_use_that_is_never_answered_is_not_known(desk: Desk, service: ChangeService) -> None:
    grant = service.ask(QUESTION, NOW)
    desk.says["POST"] = NO_SERVER
    with pytest.raises(Unanswered, match="503, Service Unavailable"):
        service.use(QUESTION, grant)
    assert len(desk.uses) == 3


def test_somebody_who_came_between_is_told(desk: Desk, service: ChangeService) -> None:
    grant = service.ask(QUESTION, NOW)
    other = Question(CHANGE, DIGEST, "works", "deploy 1.3.9")
    service.use(other, service.ask(other, NOW))
    with pytest.raises(Refused, match=r"409, .*used at 2026-12-01T13:04:11Z for deploy 1\.3\.9"):
        service.use(QUESTION, grant)
