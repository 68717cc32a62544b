"""Any sequence of steps of a corrective action, and of a nonconformance with its hold: what ISO 9001 8.7 and 10.2 let
happen does, all else is refused with 409 and an audit entry. The rules are written here once more, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laboratory import Laboratory, laboratory
from test_nonconformance import capa, deciding, detail, reported

__all__ = ["laboratory"]
ONWARDS = "onwards"  # stands for the step that leads on, so that sequences reach the end
sequences = settings(
    max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

ACTION = {
    ("open", "implementation"): "implemented",
    ("implemented", "effective"): "verified",
    ("implemented", "not effective"): "open",  # again
    ("verified", "closure"): "closed",
}
LEADS_ON = {"open": "implementation", "implemented": "effective", "verified": "closure", "closed": "implementation"}
# by whom, where, with what
ASKED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "implementation": ("maintenance", "implementation", {"implementation": "task 4711"}),
    "effective": ("quality_manager", "verification", {"effective": True, "evidence": "30 days"}),
    "not effective": ("quality_manager", "verification", {"effective": False, "evidence": "again"}),
    "closure": ("quality_manager", "closure", {"note": "standard W-17"}),
}


def denied(laboratory: Laboratory, *records: str) -> int:
    query = "SELECT count(*) FROM mes.audit_event WHERE action = 'denied' AND record_id = ANY(%s)"
    return int(laboratory.one(query, list(records)))


@sequences
@given(steps=st.lists(st.one_of(st.just(ONWARDS), st.sampled_from(sorted(ASKED))), min_size=4, max_size=10))
async def test_any_sequence_of_steps_of_a_corrective_action(laboratory: Laboratory, steps: list[str]) -> None:
    action = (await capa(laboratory))["id"]
    state, version, refusals, verified = "open", 1, 0, 0
    for drawn in steps:
        step = LEADS_ON[state] if drawn == ONWARDS else drawn
        role, path, body = ASKED[step]
        answer = await laboratory.post(f"/corrective-actions/{action}/{path}", body, role, version=version)
        if (state, step) in ACTION:
            state, version = ACTION[state, step], version + 1
            verified += path == "verification"
            assert answer.status_code == 200, (step, answer.text)
            assert (answer.json()["state"], answer.json()["version"]) == (state, version)
        else:
            refusals += 1
            assert answer.status_code == 409, (state, step, answer.text)
        assert denied(laboratory, action) == refusals, (state, step)
    shown = (await laboratory.get(f"/corrective-actions/{action}")).json()
    assert (shown["state"], shown["version"], len(shown["verifications"])) == (state, version, verified)


@dataclass
class Expected:
    """A nonconformance of a lot, and the hold that came with it."""

    state: str = "open"
    decided: str = ""
    held: bool = True

    @property
    def final(self) -> bool:
        """Scrap and what goes back are not the plant's to use: they stay held."""
        return self.decided in {"scrap", "return"}

    @property
    def onwards(self) -> str:
        if self.state == "dispositioned":
            return "release" if self.held and not self.final else "closure"
        return {"open": "review", "under_review": "use-as-is"}.get(self.state, "closure")

    def take(self, step: str) -> bool:
        """Whether the step is allowed; and then what it makes of it."""
        match step, self.state:
            case "review", "open" | "dispositioned":
                self.state, self.decided, self.held = "under_review", "", True
            case "use-as-is" | "rework" | "scrap" | "return", "under_review":
                self.state, self.decided = "dispositioned", step
            # rework is closed by a check that verifies it, which nobody makes here
            case "closure", "dispositioned" if self.decided != "rework" and (self.final or not self.held):
                self.state = "closed"
            case "release", "dispositioned" | "closed" if self.held and not self.final:
                self.held = False
            case _:
                return False
        return True


DISPOSITIONS = ("use-as-is", "rework", "scrap", "return")
STEPS = ("review", "closure", "release", *DISPOSITIONS)


@sequences
@given(steps=st.lists(st.one_of(st.just(ONWARDS), st.sampled_from(STEPS)), min_size=5, max_size=10))
async def test_any_sequence_of_steps_of_a_nonconformance(laboratory: Laboratory, steps: list[str]) -> None:
    nonconformance = (await reported(laboratory))["id"]
    expected, version, refusals = Expected(), 1, 0
    for drawn in steps:
        step = expected.onwards if drawn == ONWARDS else drawn
        holds = (await detail(laboratory, nonconformance))["holds"]
        hold = next((each for each in holds if each["released_at"] is None), holds[-1])
        path = f"/nonconformances/{nonconformance}"
        asked: dict[str, tuple[str, dict[str, Any], int]] = {
            "review": (f"{path}/review", {"reason": "why"}, version),
            "closure": (f"{path}/closure", {"note": "done"}, version),
            "release": (f"/holds/{hold['id']}/release", {"reason": "why"}, hold["version"]),
        }
        if step in DISPOSITIONS:
            asked[step] = (f"{path}/disposition", deciding(laboratory, step), version)
        address, body, present = asked[step]
        before = (expected.state, expected.held)
        allowed = expected.take(step)
        answer = await laboratory.post(address, body, version=present)
        assert answer.status_code == (200 if allowed else 409), (before, step, answer.text)
        if not allowed:
            refusals += 1
        elif step != "release":
            version = answer.json()["version"]
            assert answer.json()["state"] == expected.state
        assert denied(laboratory, nonconformance, *(each["id"] for each in holds)) == refusals, (before, step)
    shown = await detail(laboratory, nonconformance)
    assert (shown["state"], shown["version"], shown["disposition"] or "") == (expected.state, version, expected.decided)
    assert sum(each["released_at"] is None for each in shown["holds"]) == expected.held
