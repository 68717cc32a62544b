"""Any sequence of steps: what the rules allow happens, all else is refused with 409 and an audit entry, and nothing
else ever authorises. The rules are written here once more, as sentences of the requirement, not taken from the code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from desk import Desk, content, desk, signature
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

__all__ = ["desk"]
OPEN = ("draft", "submitted", "approved")


@dataclass
class Expected:
    state: str = "draft"
    approvals: set[str] = field(default_factory=set)
    broken: bool = False
    reviewed: bool = False

    @property
    def authorised(self) -> bool:
        return self.state == "approved" or (self.broken and self.state in OPEN)

    @property
    def onwards(self) -> str:
        if self.state == "submitted":
            return "quality_manager" if "devops_lead" in self.approvals else "devops_lead"
        if self.state == "used" and self.broken and not self.reviewed:
            return "review"
        return {"draft": "submit", "approved": "use"}.get(self.state, "close")

    def take(self, step: str) -> bool:
        """Whether the step is allowed; and then what it makes of the change."""
        match step:
            case "submit" if self.state == "draft":
                self.state = "submitted"
            case "revise" if self.state in OPEN and not self.broken:
                self.state = "draft"
                self.approvals.clear()
            case "withdraw" if self.state in OPEN:
                self.state = "withdrawn"
            case "devops_lead" | "quality_manager" if self.state == "submitted" and step not in self.approvals:
                self.approvals.add(step)
                self.state = "approved" if len(self.approvals) == 2 else "submitted"
            case "reject" if self.state == "submitted":
                self.state = "rejected"
            case "break-glass" if self.state in OPEN and not self.broken:
                self.broken = True
            case "review" if self.broken and not self.reviewed:
                self.reviewed = True
            case "use" if self.authorised:
                self.state = "used"
            case "close" if self.state == "used" and (self.reviewed or not self.broken):
                self.state = "closed"
            case _:
                return False
        return True


STEPS = (
    "submit",
    "devops_lead",
    "quality_manager",
    "use",
    "close",
    "review",
    "break-glass",
    "revise",
    "withdraw",
    "reject",
)
ONWARDS = "onwards"  # stands for the step that leads on, so that sequences reach the end


async def perform(desk: Desk, change_id: str, version: int, step: str) -> Any:
    lead, quality = desk.manufacturing, desk.quality
    if step in desk.deciders:
        who = desk.deciders[step]
        return await desk.send(who, f"/{change_id}/approve", {"signature": signature(who, step)}, version)
    match step:
        case "revise":
            return await desk.send(desk.requester, f"/{change_id}", content(), version, method="PUT")
        case "use":
            return await desk.use({"id": change_id})
        case "reject" | "break-glass":
            body = {"signature": signature(lead, "manufacturing_lead"), "reason": "why"}
            return await desk.send(lead, f"/{change_id}/{step}", body, version)
        case "review":
            body = {"signature": signature(quality, "quality_manager"), "conclusion": "fine"}
            return await desk.send(quality, f"/{change_id}/review", body, version)
    said = {"withdraw": {"reason": "why"}, "close": {"note": "done"}}.get(step)
    return await desk.send(desk.requester, f"/{change_id}/{step}", said, version)


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(st.just(ONWARDS), st.sampled_from(STEPS)), min_size=6, max_size=12))
async def test_any_sequence_of_steps(desk: Desk, steps: list[str]) -> None:
    change = await desk.create()
    expected, version, refusals = Expected(), 1, 0
    for drawn in steps:
        step = expected.onwards if drawn == ONWARDS else drawn
        allowed = expected.take(step)
        answer = await perform(desk, change["id"], version, step)
        assert answer.status_code == (200 if allowed else 409), (step, expected, answer.text)
        if allowed:
            version = answer.json()["version"]
            assert answer.json()["state"] == expected.state
        else:
            refusals += 1
        assert len(desk.audited("denied", change["id"])) == refusals, step
    shown = (await desk.get(f"/changes/{change['id']}")).json()
    assert (shown["state"], shown["version"]) == (expected.state, version)
    assert {given["role"] for given in shown["approvals"]} == expected.approvals
    assert (await desk.may(change))["authorised"] == expected.authorised
