"""Any stream of readings, late, doubled and out of order, with looks in between, ends in the states and counts that a
plain account of the same readings says. The account goes slot by slot of ten seconds and knows nothing of windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, groupby, pairwise
from typing import Any

import pytest
from conftest import DEVICE_KEY, key
from floor import LINE, Floor, floor, iso
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kojo_mes.kit.database import ReadSession
from kojo_mes.signals.service import derive_due

__all__ = ["floor"]
SLOT = timedelta(seconds=10)
SLOTS = 120  # twenty minutes
MACHINES = ("press-1", "robot-1")
# each example has a time of its own, as readings can't be taken away
FIRST = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=20)
EXAMPLES = (FIRST + number * timedelta(hours=2) for number in count())
FORGET = """
    TRUNCATE mes.line_state, mes.line_state_superseded, mes.line_state_reclassification,
        mes.production_count, mes.line_signal, mes.signal_change, mes.shift, mes.oee_rollup CASCADE
"""


@dataclass(frozen=True)
class Reading:
    machine: int
    slot: int
    running: bool
    good: int
    reject: int

    def sent(self, start: datetime) -> Iterator[dict[str, Any]]:
        for name, value in {"status": int(self.running), "good_count": self.good, "reject_count": self.reject}.items():
            sensor = f"{MACHINES[self.machine]}.{name}"
            yield {"sensor": sensor, "time": iso(start + self.slot * SLOT), "value": value}


class Stream:
    """What arrives, and when: pairs of slot and readings. No dataclass: hypothesis would print all of it."""

    def __init__(
        self, readings: list[Reading], arrivals: list[tuple[int, list[Reading]]], shifts: list[tuple[int, int]]
    ) -> None:
        self.readings, self.arrivals, self.shifts = readings, arrivals, shifts


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    readings = []
    for machine in range(len(MACHINES)):
        slot = draw(st.integers(0, 20))
        while slot < SLOTS:
            length = draw(st.sampled_from([1, 2, 5, 12, 40]))
            kind = draw(st.sampled_from(["runs", "runs", "stands", "silent"]))
            for number in range(slot, min(slot + length, SLOTS)):
                if kind != "silent":
                    runs = kind == "runs"
                    made = draw(st.integers(0, 3)) if runs else 0
                    readings.append(Reading(machine, number, runs, made, draw(st.integers(0, 1)) if runs else 0))
            slot += length
    arrivals: dict[int, list[Reading]] = {}
    for number in range(0, len(readings), 7):
        part = readings[number : number + 7]
        delay = draw(st.sampled_from([0, 0, 0, 1, 6, 45]))
        arrivals.setdefault(part[-1].slot + delay, []).extend(part)
        if draw(st.integers(0, 4)) == 0:  # sent again, under another key
            arrivals.setdefault(part[-1].slot + draw(st.integers(0, 30)), []).extend(part[::-1])
    shifts = [(0, 30), (60, SLOTS)] if draw(st.booleans()) else []
    return Stream(readings, sorted(arrivals.items()), shifts)


def expected_states(stream: Stream) -> list[tuple[int, str]]:
    """From which slot, which state."""
    heard = {(reading.machine, reading.slot): reading.running for reading in stream.readings}

    def state(slot: int) -> str:
        statuses = [
            next((heard[machine, slot - ago] for ago in range(3) if (machine, slot - ago) in heard), None)
            for machine in range(len(MACHINES))
        ]
        if all(statuses):
            return "running"
        if stream.shifts and 30 <= slot < 60:
            return "no_shift"
        return "unplanned_stop" if False in statuses else "unknown"

    slots = [(slot, state(slot)) for slot in range(SLOTS + 10)]
    known = next((slot for slot, name in slots if name in ("running", "unplanned_stop")), len(slots))
    return [next(run) for _, run in groupby(slots[known:], key=lambda item: item[1])]


def expected_counts(stream: Stream) -> list[tuple[int, int, int, int]]:
    """From slot to slot: good and rejected units of the time that both machines told of, by five minutes."""
    heard = [sorted({one.slot for one in stream.readings if one.machine == machine}) for machine in (0, 1)]

    def told(slot: int) -> bool:
        """Of the ten seconds that end with the slot."""
        return all(
            any(before < slot <= after and after - before <= 3 for before, after in pairwise(slots))
            for slots in heard
        )

    cuts = {30, 60} if stream.shifts else set()
    counts, start = [], None
    for slot in range(1, SLOTS + 10):
        start = slot - 1 if start is None else start
        if not told(slot):
            start = None
        elif slot % 30 == 0 or slot in cuts or not told(slot + 1):
            within = [one for one in stream.readings if start < one.slot <= slot]
            good, reject = sum(one.good for one in within if one.machine == 1), sum(one.reject for one in within)
            if good or reject or not (stream.shifts and 30 <= start < 60):
                counts.append((start, slot, good, reject))
            start = None
    return counts


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """What the deriver takes for the present."""
    present = [datetime.now(UTC) - timedelta(hours=2)]

    async def now(_session: ReadSession) -> datetime:
        return present[0]

    monkeypatch.setattr("kojo_mes.signals.service.now", now)
    return lambda moment: present.__setitem__(0, moment)


# an example takes a second: one that fails is told as it is
@settings(
    max_examples=8,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(stream=streams())
async def test_the_order_of_arrival_changes_nothing(
    floor: Floor, clock: Callable[[datetime], None], stream: Stream
) -> None:
    start = next(EXAMPLES)
    clock(start)
    floor.admin.execute(FORGET)
    floor.day = start.date()
    for first, last in stream.shifts:
        times = {"starts_at": iso(start + first * SLOT), "ends_at": iso(start + last * SLOT)}
        await floor.done(floor.leader, "POST", "/shifts", {"line": LINE, "name": "a", "exception": "test"} | times)
    for slot, readings in stream.arrivals:
        clock(start + slot * SLOT + timedelta(seconds=1))
        batch = [sent for reading in readings for sent in reading.sent(start)]
        headers = {"Authorization": f"Bearer {DEVICE_KEY}", **key()}
        answer = await floor.client.post("/api/v1/readings", json={"readings": batch}, headers=headers)
        assert answer.status_code == 200, answer.text
        if slot % 3:
            await derive_due(floor.app.state.database)
    clock(start + (SLOTS + 60) * SLOT)
    await derive_due(floor.app.state.database)

    whole = {"from": iso(start - timedelta(hours=1)), "to": iso(start + timedelta(hours=2)), "limit": 1000}
    states = (await floor.get(f"/lines/{LINE}/states", **whole))["items"]
    assert [(slot_of(item["started_at"], start), item["state"]) for item in states] == expected_states(stream)
    counts = (await floor.get(f"/lines/{LINE}/counts", **whole))["items"]
    assert [
        (slot_of(item["from"], start), slot_of(item["to"], start), item["good"], item["scrap"]) for item in counts
    ] == expected_counts(stream)


def slot_of(text: str, start: datetime) -> float:
    return (datetime.fromisoformat(text) - start) / SLOT
