"""Approval files that ssh-keygen signed: who and what is enough, and every way in which it is not."""

from __future__ import annotations

import json
import os
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils.change_approval import Approvals
from ansible_collections.kojo.plant.plugins.plugin_utils.change_decision import Basis, Grant, Question, Refused
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_shape import APPROVER_ROLE
from ansible_collections.kojo.plant.tests.unit.plugins.approvers import REVIEW, Office
from ansible_collections.kojo.plant.tests.unit.plugins.change_desk import DIGEST, OTHER_DIGEST, SERVICE, fields

NOW = datetime(2026, 12, 1, 14, 0, 0, tzinfo=UTC)
QUESTION = Question("C-1", DIGEST, "works", "deploy 1.4.0")
OTHER = Question("C-1", DIGEST, "works", "deploy 1.4.0 again")
# design, section 9
JOB_ROLES = (
    *("operator", "line_leader", "maintenance", "quality_inspector", "quality_manager", "manufacturing_lead"),
    *("devops_lead", "auditor", "administrator"),
)
REASON = "line 3 stands still"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.fixture
def approvals(office: Office) -> Approvals:
    return Approvals(office.folder, office.approvers)


def carry_out(approvals: Approvals, question: Question, moment: datetime = NOW, reason: str | None = None) -> Grant:
    grant = approvals.ask(question, moment, reason)
    approvals.use(question, grant, moment)
    return grant


def reasons(
    approvals: Approvals, question: Question = QUESTION, moment: datetime = NOW, reason: str | None = None
) -> tuple[str, ...]:
    with pytest.raises(Refused) as refused:
        approvals.ask(question, moment, reason)
    return refused.value.reasons


def test_files_and_roles_are_those_of_the_service(office: Office) -> None:
    path = office.write("C-1", during_production=False)
    assert json.loads(path.read_bytes()).keys() == fields("ChangeContent")
    states = (SERVICE / "changes/states.py").read_text(encoding="utf-8")
    (roles,) = re.findall(r"^APPROVER_ROLES = frozenset\(\{(.*)\}\)$", states, re.MULTILINE)
    assert {role.removeprefix("JobRole.").lower() for role in roles.split(", ")} == {
        role for role in JOB_ROLES if APPROVER_ROLE.accepts(role)
    }


def test_two_people_in_two_roles_are_enough(office: Office, approvals: Approvals) -> None:
    office.write("C-1", "aiko", "ken")
    grant = approvals.ask(QUESTION, NOW, None)
    assert (grant.basis, grant.approvers, grant.used) == (Basis.APPROVALS, ("aiko", "ken"), False)
    assert grant.until == datetime(2026, 12, 1, 16, tzinfo=UTC)
    assert not grant.during_production


def test_one_persons_signature_is_not(office: Office, approvals: Approvals) -> None:
    path = office.write("C-1", "aiko")
    assert reasons(approvals) == (
        f"it is not approved: {path} is signed by aiko (devops_lead) alone, and it takes two people in two roles",
    )


def test_nobodys_is_not(office: Office, approvals: Approvals) -> None:
    path = office.write("C-1")
    assert reasons(approvals) == (
        f"it is not approved: {path} is signed by nobody, and it takes two people in two roles",
    )


def test_one_person_approving_twice_is_not(office: Office, approvals: Approvals) -> None:
    """By a second file in another's name, and by the own signature under it."""
    path = office.write("C-1", "aiko")
    forged = office.sign(path, "ken", by="aiko")
    assert f"{forged} was signed by aiko, not by ken" in reasons(approvals)


def test_two_people_in_one_role_are_not(office: Office, approvals: Approvals) -> None:
    office.write("C-1", "aiko", "rin")
    (said,) = reasons(approvals)
    assert "signed by aiko (devops_lead) and rin (devops_lead) alone, and it takes two people in two roles" in said


def test_one_key_under_two_names_is_not(office: Office) -> None:
    """Preflight refuses such a page; the gate does not depend on it."""
    approvers = office.approvers | {"ken": {"role": "quality_manager", "key": office.approvers["aiko"]["key"]}}
    path = office.write("C-1", "aiko")
    office.sign(path, "ken", by="aiko")
    assert any("was signed by" in reason for reason in reasons(Approvals(office.folder, approvers)))


def test_a_forged_signature_is_named(office: Office, approvals: Approvals) -> None:
    path = office.write("C-1", "aiko", "ken")
    forged = office.sign(path, "yui", by="mallory")
    (said,) = reasons(approvals)
    assert said.startswith(f"{forged} is no signature of yui on C-1.json: it is by none of")


def test_a_signature_of_somebody_unknown_is_named(office: Office, approvals: Approvals) -> None:
    path = office.write("C-1", "aiko", "ken")
    foreign = office.sign(path, "mallory")
    assert reasons(approvals) == (f"{foreign} is of mallory, whom plant_approvers doesn't name",)


@pytest.mark.parametrize("namespace", ["git", REVIEW])
def test_a_signature_for_something_else_is_named(office: Office, approvals: Approvals, namespace: str) -> None:
    path = office.write("C-1", "aiko")
    wrong = office.sign(path, "ken", namespace=namespace)
    assert any(reason.startswith(f"{wrong} is no signature of ken on C-1.json") for reason in reasons(approvals))


def test_what_was_edited_afterwards_is_named(office: Office, approvals: Approvals) -> None:
    path = office.write("C-1", "aiko", "ken")
    path.write_bytes(path.read_bytes().replace(b"1.4.0", b"1.4.1"))
    for name, said in zip(("aiko", "ken"), reasons(approvals), strict=False):
        assert said.startswith(f"{path}.{name}.sig is no signature of {name} on C-1.json: the signature doesn't fit")


def test_a_signature_of_another_change_does_not_pass(office: Office, approvals: Approvals) -> None:
    other = office.write("C-2", "ken", what="something else")
    path = office.write("C-1", "aiko")
    path.with_name("C-1.json.ken.sig").write_bytes(other.with_name("C-2.json.ken.sig").read_bytes())
    assert any("C-1.json.ken.sig is no signature of ken" in reason for reason in reasons(approvals))


@pytest.mark.parametrize(
    ("question", "moment", "why"),
    [
        (
            Question("C-1", OTHER_DIGEST, "works", "r"),
            NOW,
            f"it is for the artefact {DIGEST}, not for {OTHER_DIGEST}",
        ),
        (Question("C-1", DIGEST, "mill", "r"), NOW, "it is for the plant works, not for mill"),
        (QUESTION, datetime(2026, 12, 1, 12, 59, 59, tzinfo=UTC), "its window begins at 2026-12-01T13:00:00Z"),
        (QUESTION, datetime(2026, 12, 1, 16, 0, 0, tzinfo=UTC), "its window ended at 2026-12-01T16:00:00Z"),
    ],
)
@pytest.mark.parametrize("reason", [None, REASON])
def test_what_it_is_not_for(
    office: Office, approvals: Approvals, question: Question, moment: datetime, why: str, reason: str | None
) -> None:
    """Break-glass stands for a missing signature, for nothing else."""
    office.write("C-1", "aiko", *(["ken"] if reason is None else []))
    assert reasons(approvals, question, moment, reason) == (why,)


def test_the_windows_edges_are_within(office: Office, approvals: Approvals) -> None:
    office.write("C-1", "aiko", "ken")
    for moment in (datetime(2026, 12, 1, 13, tzinfo=UTC), datetime(2026, 12, 1, 15, 59, 59, tzinfo=UTC)):
        assert approvals.ask(QUESTION, moment, None).basis is Basis.APPROVALS


def test_all_reasons_are_told_at_once(office: Office, approvals: Approvals) -> None:
    office.write("C-1", "aiko", plant="mill", window_end="2026-12-01T13:30:00Z")
    assert len(reasons(approvals)) == 3


def test_no_file_is_told_with_its_place(office: Office, approvals: Approvals) -> None:
    assert reasons(approvals) == (f"there is no {office.folder}/C-1.json",)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"why": None}, "why is missing, or no text"),
        ({"impact": " "}, "impact is missing, or no text"),
        ({"artefact_digest": 3}, "artefact_digest is missing, or no text"),
        ({"approved": True}, "approved is no key of a change"),
        ({"during_production": "yes"}, "during_production is neither true nor false"),
        ({"window_start": "2026-12-01T13:00:00"}, "window_start '2026-12-01T13:00:00' is not a date and time with its"),
        ({"window_start": "2026-12-01"}, "window_start '2026-12-01' is not a date and time"),
        ({"window_start": None}, "window_start None is not a date and time"),
        ({"window_end": "2026-12-01T13:00:00Z"}, "window_end is to be later than window_start"),
    ],
)
def test_a_wrong_file_is_told_with_its_key(
    office: Office, approvals: Approvals, content: dict[str, Any], why: str
) -> None:
    path = office.write("C-1", "aiko", "ken", **content)
    (said,) = reasons(approvals)
    assert said.startswith(f"{path}: {why}")


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"plant": "works", "plant": "mill"}', "\x00"])
def test_what_is_no_change_is_told_with_its_file(office: Office, approvals: Approvals, text: str) -> None:
    path = office.write("C-1")
    path.write_text(text, encoding="utf-8")
    assert reasons(approvals)[0].startswith(f"{path} is not JSON of a change: ")


def test_a_used_change_is_used(office: Office, approvals: Approvals) -> None:
    office.write("C-1", "aiko", "ken")
    carry_out(approvals, QUESTION)
    assert reasons(approvals, OTHER, NOW + timedelta(hours=1)) == (
        "it was used at 2026-12-01T14:00:00Z for deploy 1.4.0",
    )
    record = json.loads((office.folder / "C-1.json.used").read_bytes())
    assert record == {
        "change": "C-1",
        "reference": "deploy 1.4.0",
        "at": "2026-12-01T14:00:00Z",
        "authority": "files",
        "basis": "two-approvals",
        "approvers": ["aiko", "ken"],
        "reason": None,
        "review_due": None,
    }


def test_the_same_reference_goes_on_for_a_day(office: Office, approvals: Approvals) -> None:
    office.write("C-1", "aiko", "ken")
    carry_out(approvals, QUESTION)
    record = (office.folder / "C-1.json.used").read_bytes()
    # its window is over by then: what was begun is finished or taken back
    grant = carry_out(approvals, QUESTION, NOW + timedelta(hours=23))
    assert (grant.used, grant.basis) == (True, Basis.APPROVALS)
    assert (office.folder / "C-1.json.used").read_bytes() == record
    assert "a run goes on for 24 hours at most" in reasons(approvals, QUESTION, NOW + timedelta(hours=25))[0]


def test_of_two_at_once_one_uses_it(office: Office, approvals: Approvals) -> None:
    """Both were told yes before either used it."""
    office.write("C-1", "aiko", "ken")
    first, second = (approvals.ask(question, NOW, None) for question in (QUESTION, OTHER))
    approvals.use(QUESTION, first, NOW)
    with pytest.raises(Refused, match=r"used at 2026-12-01T14:00:00Z for deploy 1\.4\.0$"):
        approvals.use(OTHER, second, NOW)


def test_of_many_at_once_one_uses_it(office: Office, approvals: Approvals) -> None:
    office.write("C-1", "aiko", "ken")
    questions = [Question("C-1", DIGEST, "works", f"run {number}") for number in range(16)]
    grant, together, used = approvals.ask(QUESTION, NOW, None), threading.Barrier(16), []

    def use(question: Question) -> None:
        together.wait()
        try:
            approvals.use(question, grant, NOW)
            used.append(question.reference)
        except Refused:
            pass

    threads = [threading.Thread(target=use, args=(question,)) for question in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = used
    assert json.loads((office.folder / "C-1.json.used").read_bytes())["reference"] == winner
    assert [path.name for path in office.folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("record", ["", "{}", '{"reference": 3}'])
def test_a_broken_record_counts_as_a_use(office: Office, approvals: Approvals, record: str) -> None:
    office.write("C-1", "aiko", "ken")
    (office.folder / "C-1.json.used").write_text(record, encoding="utf-8")
    assert "C-1.json.used is not a record of use" in reasons(approvals, OTHER)[0]


def test_a_use_that_can_not_be_recorded_is_none(office: Office, approvals: Approvals) -> None:
    office.write("C-1", "aiko", "ken")
    grant = approvals.ask(QUESTION, NOW, None)
    moved = office.folder.rename(office.folder.with_name("elsewhere"))
    with pytest.raises(Refused, match="the record of its use, can't be written: No such file"):
        approvals.use(QUESTION, grant, NOW)
    moved.rename(office.folder)
    assert not (office.folder / "C-1.json.used").exists()


def test_the_record_is_on_disk_before_the_yes(
    office: Office, approvals: Approvals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file before it has its name, its folder after."""
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        synced.append(("folder" if path.is_dir() else "file", (office.folder / "C-1.json.used").exists()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    office.write("C-1", "aiko", "ken")
    carry_out(approvals, QUESTION)
    assert synced == [("file", False), ("folder", True)]


def test_break_glass_takes_one_signature_and_a_reason(office: Office, approvals: Approvals) -> None:
    office.write("C-1", "aiko")
    grant = carry_out(approvals, QUESTION, reason=REASON)
    assert (grant.basis, grant.reason, grant.approvers) == (Basis.BREAK_GLASS, REASON, ("aiko",))
    assert grant.review_due == NOW + timedelta(days=1)
    record = json.loads((office.folder / "C-1.json.used").read_bytes())
    assert (record["basis"], record["reason"], record["approvers"]) == ("break-glass", REASON, ["aiko"])
    assert record["review_due"] == "2026-12-02T14:00:00Z"
    # the run that goes on needs the reason no more, and its review does not hold it up
    again = carry_out(approvals, QUESTION, NOW + timedelta(hours=1))
    assert (again.used, again.basis, again.reason) == (True, Basis.BREAK_GLASS, REASON)
    assert again.review_due == grant.review_due


def test_break_glass_takes_one_signature_at_least(office: Office, approvals: Approvals) -> None:
    path = office.write("C-1")
    assert "signed by nobody" in reasons(approvals, reason=REASON)[0]
    office.sign(path, "aiko", by="mallory")
    assert "C-1.json.aiko.sig is no signature of aiko" in reasons(approvals, reason=REASON)[0]


def test_with_two_approvals_no_glass_is_broken(office: Office, approvals: Approvals) -> None:
    office.write("C-1", "aiko", "ken")
    grant = approvals.ask(QUESTION, NOW, REASON)
    assert (grant.basis, grant.reason, grant.review_due) == (Basis.APPROVALS, None, None)


@pytest.fixture
def broken(office: Office, approvals: Approvals) -> Office:
    """The glass of C-1 was broken by aiko; C-2 is approved."""
    office.write("C-1", "aiko")
    carry_out(approvals, QUESTION, reason=REASON)
    office.write("C-2", "aiko", "ken")
    return office


NEXT = Question("C-2", DIGEST, "works", "deploy 1.5.0")
UNREVIEWED = "the break-glass of C-1, used at 2026-12-01T14:00:00Z, has no review by another than aiko"


def test_the_next_change_waits_for_the_review(broken: Office, approvals: Approvals) -> None:
    assert reasons(approvals, NEXT) == (UNREVIEWED,)
    broken.review("C-1", "ken")
    assert carry_out(approvals, NEXT).basis is Basis.APPROVALS


@pytest.mark.parametrize(
    ("review", "why"),
    [
        ({"name": "aiko"}, ""),  # nobody reviews what they did themselves
        ({"name": "ken", "by": "aiko"}, "C-1.json.review.ken.sig was signed by aiko, not by ken"),
        ({"name": "ken", "by": "mallory"}, "C-1.json.review.ken.sig is no signature of ken on C-1.json.used"),
        ({"name": "ken", "namespace": "kojo-change-approval"}, "C-1.json.review.ken.sig is no signature of ken"),
        ({"name": "mallory"}, "C-1.json.review.mallory.sig is of mallory, whom plant_approvers doesn't name"),
    ],
)
def test_a_review_that_is_none_is_told(broken: Office, approvals: Approvals, review: dict[str, str], why: str) -> None:
    broken.review("C-1", **review)
    (said,) = reasons(approvals, NEXT)
    assert said.startswith(UNREVIEWED)
    assert why in said


def test_a_record_that_was_edited_after_its_review_has_none(broken: Office, approvals: Approvals) -> None:
    broken.review("C-1", "ken")
    record = broken.folder / "C-1.json.used"
    record.write_bytes(record.read_bytes().replace(REASON.encode(), b"nothing"))
    assert "C-1.json.review.ken.sig is no signature of ken on C-1.json.used" in reasons(approvals, NEXT)[0]


def test_a_review_is_not_taken_for_an_approval(office: Office, approvals: Approvals) -> None:
    office.write("C-1", "aiko")
    carry_out(approvals, QUESTION, reason=REASON)
    office.review("C-1", "ken")
    assert carry_out(approvals, QUESTION).approvers == ("aiko",)
