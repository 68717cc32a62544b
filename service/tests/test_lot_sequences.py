"""Any sequence of steps of a supplier's lot: what quality and the shop floor may do with it happens, all else is
refused with 409 and an audit entry. The rules are written here once more, as sentences, not taken from the code."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from material import LINE, PRODUCT
from shop import Shop, made, now, shop

from kojo_mes.kit.ids import new_id

__all__ = ["shop"]
RECEIVED = 5
ENDS = {"consume": "consumed", "ship": "shipped"}


@dataclass
class Expected:
    state: str = "created"
    on_hand: int = 0
    holds: list[str] = field(default_factory=list)
    was_released: bool = False

    @property
    def usable(self) -> bool:
        return self.state == "released"

    @property
    def onwards(self) -> str:
        if self.state == "on_hold":
            return "lift"
        return {"created": "receive", "in_process": "release", "released": "consume some"}.get(self.state, "ship all")

    def take(self, step: str) -> bool:
        """Whether the step is allowed; and then what it makes of the lot."""
        what, _, amount = step.partition(" ")
        match what:
            case "receive" if self.state in {"created", "in_process"}:
                self.state, self.on_hand = "in_process", self.on_hand + RECEIVED
            case "release" if self.state == "in_process" and self.on_hand:
                self.state, self.was_released = "released", True
            case "consume" | "ship" if self.usable:
                self.on_hand -= 1 if amount == "some" else self.on_hand
                self.state = "released" if self.on_hand else ENDS[what]
            case "scrap" if self.state not in {"consumed", "shipped", "scrapped"}:
                self.state, self.on_hand = "scrapped", 0
            case "hold":  # quality may hold anything; what has ended stays as it is
                if self.state in {"created", "in_process", "released"}:
                    self.state = "on_hold"
            case "lift" if self.holds:
                if self.state == "on_hold" and len(self.holds) == 1:
                    self.state = "released" if self.was_released else "in_process"
            case _:
                return False
        return True


STEPS = ("receive", "release", "consume some", "consume all", "ship some", "ship all", "scrap", "hold", "lift")
ONWARDS = "onwards"  # stands for the step that leads on, so that sequences reach the end


async def perform(shop: Shop, lot: str, into: str, step: str, expected: Expected) -> httpx.Response:
    what, _, amount = step.partition(" ")
    quantity = str(1 if amount == "some" else max(expected.on_hand, 1))
    match what:
        case "receive":
            return await shop.book(lot, "receipts", str(RECEIVED))
        case "release":
            reviewed = await shop.review(lot)
            return await shop.sign_release(lot) if reviewed.is_success else reviewed
        case "consume":
            return await shop.consume(into, (lot, quantity))
        case "ship":
            sent = {"consignee": "Sato KK", "delivery": "D-1"}
            return await shop.book(lot, "shipments", quantity, shop.leader, **sent)
        case "scrap":
            return await shop.send(shop.operator, f"traceability/lots/{lot}/end", {"time": now(), "reason": "why"})
        case "hold":
            body = {"line": LINE, "product": PRODUCT, "lot": lot, "reason": "why"}
            answer = await shop.send(shop.quality, "holds", body)
            expected.holds.append(made(answer)["id"])
            return answer
    return await shop.send(shop.quality, f"holds/{expected.holds[-1]}/release", {"reason": "why"}, 1)


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(st.just(ONWARDS), st.sampled_from(STEPS)), min_size=5, max_size=12))
async def test_any_sequence_of_steps(shop: Shop, steps: list[str]) -> None:
    number = new_id()
    order = await shop.running(f"WO-{number}")
    into = (await shop.lot(f"T-{number}", order))["id"]
    lot = (await shop.lot(f"R-{number}"))["id"]
    expected, refusals = Expected(), 0
    for drawn in steps:
        step = expected.onwards if drawn == ONWARDS else drawn
        if step == "lift" and not expected.holds:
            continue  # there is nothing to ask for
        before = (expected.state, expected.on_hand)
        answer = await perform(shop, lot, into, step, expected)
        allowed = expected.take(step)
        if step == "lift":
            expected.holds.pop()
        assert answer.status_code in ({200, 201} if allowed else {409}), (before, step, answer.text)
        refusals += not allowed
        shown = (await shop.get(f"traceability/lots/{lot}")).json()
        assert (shown["state"], shown["on_hand"]) == (expected.state, str(expected.on_hand)), (before, step)
        assert len(shop.denied(lot)) == refusals, (before, step)
