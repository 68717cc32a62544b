"""States and counts from readings: through the API, against a plain account of what the machines said."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import servers
from conftest import DEVICE_KEY, key
from floor import Floor, floor, iso
from prometheus_client import REGISTRY
from test_exporters import scrape

from kojo_mes.kit.database import Database
from kojo_mes.kit.settings import ExporterSettings
from kojo_mes.signals import service
from kojo_mes.signals.counters import bucket_of
from kojo_mes.signals.service import derive_due, keep

__all__ = ["floor"]
Json = dict[str, Any]
MINUTE, STEP = timedelta(minutes=1), timedelta(seconds=10)
PACKER = "line-2"  # one piece of equipment makes one product, carton-10, in 2 s ideally


@dataclass
class Machines:
    """Of a line of one machine, seen every ten seconds from two hours ago on."""

    floor: Floor
    start: datetime = field(default_factory=lambda: bucket_of(datetime.now(UTC) - timedelta(hours=2)))

    def at(self, minutes: float) -> datetime:
        return self.start + minutes * MINUTE

    def readings(self, start: float, end: float, *, status: int = 1, good: int = 5, reject: int = 0) -> list[Json]:
        seen = [self.at(start) + step * STEP for step in range(int((end - start) * MINUTE / STEP))]
        values = {"status": status, "good_count": good * status, "reject_count": reject * status}
        return [
            {"sensor": f"packer-1.{name}", "time": iso(time), "value": value}
            for time in seen
            for name, value in values.items()
        ]

    async def send(self, *batches: list[Json]) -> None:
        for batch in batches:
            headers = {"Authorization": f"Bearer {DEVICE_KEY}", **key()}
            answer = await self.floor.client.post("/api/v1/readings", json={"readings": batch}, headers=headers)
            assert answer.status_code == 200, answer.text

    async def derive(self) -> None:
        await derive_due(self.floor.app.state.database)

    async def states(self) -> list[tuple[float, str, str | None, str]]:
        """From which minute, which, why, by what."""
        page = await self.floor.get(f"/lines/{PACKER}/states", **self.period())
        return [
            (
                round((datetime.fromisoformat(item["started_at"]) - self.start) / MINUTE, 3),
                item["state"],
                item["reason"],
                item["source"],
            )
            for item in page["items"]
        ]

    async def counts(self) -> list[tuple[float, float, int, int, str]]:
        page = await self.floor.get(f"/lines/{PACKER}/counts", **self.period())
        return [
            (
                round((datetime.fromisoformat(item["from"]) - self.start) / MINUTE, 3),
                round((datetime.fromisoformat(item["to"]) - self.start) / MINUTE, 3),
                item["good"],
                item["scrap"],
                item["source"],
            )
            for item in page["items"]
        ]

    def period(self) -> Json:
        return {"from": iso(self.at(-60)), "to": iso(self.at(180)), "limit": 1000}


@pytest.fixture(autouse=True)
def only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is derived by the service itself: what is corrected depends on when it looked."""

    async def never(_database: Database) -> None:
        return

    monkeypatch.setattr("kojo_mes.signals.service.keep", never)


@pytest.fixture
def machines(floor: Floor) -> Machines:
    return Machines(floor)


async def test_readings_become_states_and_counts(machines: Machines) -> None:
    await machines.send(machines.readings(0, 12), machines.readings(12, 14, status=0), machines.readings(14, 20))
    await machines.derive()
    assert await machines.states() == [
        (0, "running", None, "signals"),
        (12, "unplanned_stop", "unclassified", "signals"),
        (14, "running", None, "signals"),
        (round(20 - 1 / 6 + 0.5, 3), "unknown", None, "signals"),
    ]
    last = round(20 - 1 / 6, 3)
    assert await machines.counts() == [
        (0, 5, 150, 0, "signals"),
        (5, 10, 150, 0, "signals"),
        (10, 15, 90, 0, "signals"),
        (15, last, 145, 0, "signals"),
    ]


async def test_late_readings_correct_what_was_derived_and_keep_it(machines: Machines) -> None:
    early, gap, late = machines.readings(0, 5), machines.readings(5, 8), machines.readings(8, 15)
    await machines.send(early, late)
    await machines.derive()
    assert [state for _, state, _, _ in await machines.states()] == ["running", "unknown", "running", "unknown"]
    assert [count[:2] for count in await machines.counts()] == [
        (0, pytest.approx(4.833, abs=0.001)),
        (8, 10),
        (10, pytest.approx(14.833, abs=0.001)),
    ]
    await machines.send(gap)
    await machines.derive()
    assert [state for _, state, _, _ in await machines.states()] == ["running", "unknown"]
    assert [count[:3] for count in await machines.counts()][:2] == [(0, 5, 150), (5, 10, 150)]
    superseded = await machines.floor.get(f"/lines/{PACKER}/states/superseded", **machines.period())
    assert [item["state"] for item in superseded["items"]] == ["running", "unknown", "running"]
    (change,) = (await machines.floor.get(f"/lines/{PACKER}/states/reclassifications"))["items"]
    assert (change["state"], change["reclassified_by"]) == (None, "line-signals")
    assert "later" in change["explanation"]
    (_, _, _, _, old, new) = machines.floor.audited("production:derive")[-1]
    assert [count["good"] for count in old["counts"]] == [145, 60]
    assert [count["good"] for count in new["counts"]] == [150, 150]


async def test_readings_again_change_nothing(machines: Machines) -> None:
    readings = machines.readings(0, 12)
    await machines.send(readings)
    await machines.derive()
    before = await machines.states(), await machines.counts()
    rows = len(machines.floor.audited("line-states:derive"))
    await machines.send(readings[::-1])
    await machines.derive()
    assert (await machines.states(), await machines.counts()) == before
    assert len(machines.floor.audited("line-states:derive")) == rows


async def test_bad_readings_say_nothing(machines: Machines) -> None:
    bad = [reading | {"quality": "bad"} for reading in machines.readings(5, 8, status=0)]
    await machines.send(machines.readings(0, 5), bad, machines.readings(8, 10))
    await machines.derive()
    assert [state for _, state, _, _ in await machines.states()] == ["running", "unknown", "running", "unknown"]


async def test_what_people_say_is_never_overwritten(machines: Machines) -> None:
    """A reclassified time stays as it is, whatever comes late; a corrected count too."""
    floor = machines.floor
    await machines.send(machines.readings(0, 12), machines.readings(14, 20))
    await machines.derive()
    body = {
        "from": iso(machines.at(11)),
        "to": iso(machines.at(14)),
        "state": "planned_stop",
        "reason": "meeting",
        "explanation": "all were there",
    }
    await floor.done(floor.leader, "POST", f"/lines/{PACKER}/states/reclassifications", body)
    count = (await floor.get(f"/lines/{PACKER}/counts", **machines.period()))["items"][0]
    correction = {"good": 149, "scrap": 1, "rework": 0, "reason": "seen"}
    await floor.done(floor.leader, "PUT", f"/lines/{PACKER}/counts/{count['id']}", correction, version=1)
    await machines.send(machines.readings(12, 14), machines.readings(-1, 0))
    await machines.derive()
    said = [state[:2] for state in await machines.states() if state[3] == "record"]
    assert said[0] == (11, "planned_stop")
    assert {state for _, state in said} == {"planned_stop"}
    states = await machines.states()
    assert states[0] == (-1, "running", None, "signals")
    assert next(state for state in states if state[0] >= 14) == (14, "running", None, "signals")
    counts = await machines.counts()
    assert (0, 5, 149, 1, "record") in counts
    assert [one[:2] for one in counts][:2] == [(-1, 0), (0, 5)]


async def test_a_recorded_stop_lasts_until_the_line_runs_again(machines: Machines) -> None:
    """The operator says why; the machines say when it is over. The product that was set up goes on."""
    floor = machines.floor
    await machines.send(machines.readings(0, 10), machines.readings(10, 12, status=0))
    path = f"/lines/{PACKER}/states"
    stop = {"time": iso(machines.at(10)), "state": "changeover", "reason": "product", "product": "housing-100"}
    await floor.done(floor.operator, "POST", path, stop)
    await machines.send(machines.readings(12, 20, status=0), machines.readings(20, 30))
    await machines.derive()
    assert (await machines.states())[:3] == [
        (10, "changeover", "product", "record"),
        (20, "running", None, "signals"),
        (pytest.approx(30.333, abs=0.001), "unknown", None, "signals"),
    ]
    page = await floor.get(path, **machines.period())
    assert page["items"][1]["product"] == "housing-100"
    counts = await floor.get(f"/lines/{PACKER}/counts", **machines.period())
    assert {(item["product"], item["good"]) for item in counts["items"][-1:]} == {("housing-100", 145)}


async def test_time_that_somebody_counted_is_left_out(machines: Machines) -> None:
    floor = machines.floor
    by_hand: Json = {"product": "carton-10", "from": iso(machines.at(2)), "to": iso(machines.at(4)), "good": 9}
    by_hand |= {"scrap": 0, "rework": 0}
    await floor.done(floor.operator, "POST", f"/lines/{PACKER}/counts", {"counts": [by_hand]})
    await machines.send(machines.readings(0, 10))
    await machines.derive()
    assert [one[:3] for one in (await machines.counts())[:3]] == [(0, 2, 60), (2, 4, 9), (4, 5, 30)]
    await floor.refused(409, floor.operator, "POST", f"/lines/{PACKER}/counts", {"counts": [by_hand | {"good": 8}]})


async def test_a_line_without_a_shift_has_no_shift(machines: Machines) -> None:
    """Outside its shifts a line that stands or is silent has no shift; a shift that is planned later corrects that."""
    floor = machines.floor

    async def shift(start: float, end: float) -> Json:
        times = {"starts_at": iso(machines.at(start)), "ends_at": iso(machines.at(end))}
        return await floor.done(
            floor.leader, "POST", "/shifts", {"line": PACKER, "name": "a", "exception": "test"} | times
        )

    await shift(0, 5)
    await shift(10, 60)
    await machines.send(machines.readings(0, 4), machines.readings(4, 10, status=0))
    await machines.send(machines.readings(10, 10.2, good=0), machines.readings(10.2, 12))
    await machines.derive()
    assert [state[:2] for state in await machines.states()][:4] == [
        (0, "running"),
        (4, "unplanned_stop"),
        (5, "no_shift"),
        (10, "running"),
    ]
    assert not [one for one in await machines.counts() if 5 <= one[0] < 10]
    await shift(5, 10)
    await machines.derive()
    assert [state[:2] for state in await machines.states()][:3] == [
        (0, "running"),
        (4, "unplanned_stop"),
        (10, "running"),
    ]
    assert [one for one in await machines.counts() if 5 <= one[0] < 10] == [(5, 10, 0, 0, "signals")]


async def test_oee_of_the_derived_records(machines: Machines) -> None:
    """Half an hour: 3 minutes of stop, 27 × 30 units of 2 s."""
    floor = machines.floor
    times = {"starts_at": iso(machines.at(0)), "ends_at": iso(machines.at(30))}
    await floor.done(floor.leader, "POST", "/shifts", {"line": PACKER, "name": "a", "exception": "test"} | times)
    period: Json = {"line": PACKER, "from": iso(machines.at(0)), "to": iso(machines.at(30))}
    refusal = await floor.refused(409, floor.operator, "GET", "/oee", **period)
    assert {error["field"] for error in refusal["errors"]} == {"line_state"}
    stopped = machines.readings(12, 15, status=0)
    await machines.send(machines.readings(0, 12), stopped, machines.readings(15, 31, reject=1))
    await machines.derive()
    found = await floor.get("/oee", **period)
    assert found["availability"] == pytest.approx(27 / 30)
    # the units of a reading were made in the ten seconds before it
    assert (found["good"], found["scrap"]) == (12 * 30 - 5 + 15 * 30 + 5, 15 * 6 + 1)
    assert found["quality_ratio"] == pytest.approx(810 / 901)
    assert found["effectiveness"] == pytest.approx(901 * 2 / (27 * 60))


async def test_one_host_at_a_time_derives_a_line(machines: Machines) -> None:
    """While another one is at it, nothing is derived; it is not lost either."""
    lock = "SELECT pg_advisory_lock(hashtextextended('mes.signals ' || %s, 0))"
    machines.floor.admin.execute(lock, (PACKER,))
    await machines.send(machines.readings(0, 5))
    await derive_due(machines.floor.app.state.database)
    assert await machines.states() == []
    machines.floor.admin.execute("SELECT pg_advisory_unlock_all()")
    await machines.derive()
    assert (await machines.states())[0] == (0, "running", None, "signals")


async def test_a_derivation_that_fails_is_done_again(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was told stays with the readings until the derived rows are committed."""

    async def fail(*_: Any) -> None:
        raise RuntimeError("lost")

    with monkeypatch.context() as broken:
        broken.setattr("kojo_mes.signals.service.count", fail)
        await machines.send(machines.readings(0, 12))
        with pytest.raises(RuntimeError, match="lost"):
            await derive_due(machines.floor.app.state.database)
        assert await machines.states() == []
    await machines.derive()
    assert len(await machines.counts()) == 3


async def test_oee_of_the_running_shift(machines: Machines) -> None:
    """Up to where its production is counted; without a shift, or a count, that is what is missing."""
    floor = machines.floor
    running: Json = {"line": PACKER, "product": "carton-10"}
    refusal = await floor.refused(409, floor.operator, "GET", "/oee/running", **running)
    assert [error["field"] for error in refusal["errors"]] == ["shift"]
    times = {"starts_at": iso(machines.at(0)), "ends_at": iso(machines.at(600))}
    await floor.done(floor.leader, "POST", "/shifts", {"line": PACKER, "name": "a", "exception": "test"} | times)
    refusal = await floor.refused(409, floor.operator, "GET", "/oee/running", **running)
    assert [error["field"] for error in refusal["errors"]] == ["production_count"]
    await machines.send(machines.readings(-0.5, 22))
    await machines.derive()
    found = await floor.get("/oee/running", **running)
    assert datetime.fromisoformat(found["from"]) == machines.at(0)
    # the last reading is of 21:50, and what came after it nobody knows
    assert datetime.fromisoformat(found["to"]) == machines.at(22) - STEP
    assert (found["availability"], found["quality_ratio"]) == (1, 1)
    assert found["effectiveness"] == pytest.approx(found["good"] * 2 / (22 * 60 - 10))


async def test_counters_that_are_totals(machines: Machines) -> None:
    """They roll over after their limit; one that was set back leaves a time of which nobody knows what was made."""
    admin = machines.floor.admin
    admin.execute("UPDATE mes.equipment SET counter_limit = 99 WHERE id = 'packer-1'")
    admin.execute(
        "INSERT INTO mes.sensor (name, equipment_id, measurement) VALUES"
        " ('packer-1.good_total', 'packer-1', 'good_total'), ('packer-1.reject_total', 'packer-1', 'reject_total')"
    )
    readings: list[Json] = []
    for step in range(60):
        time = iso(machines.start + step * STEP)
        total = (90 + step) % 100 if step < 40 else step - 40  # 90 to 99, then from 0 on; at step 40 it was set back
        for name, value in {"status": 1, "good_total": total, "reject_total": 7}.items():
            readings.append({"sensor": f"packer-1.{name}", "time": time, "value": value})
    await machines.send(readings)
    await machines.derive()
    counts = await machines.counts()
    assert [one[2] for one in counts] == [30, 9, 19]
    assert [one[:2] for one in counts] == [
        (0, 5),
        (5, 6.5),
        (pytest.approx(6.667, abs=0.001), pytest.approx(9.833, abs=0.001)),
    ]


async def test_the_database_keeps_what_was_counted(
    machines: Machines, postgres: servers.Postgres, database: str
) -> None:
    """What somebody counted can't be taken away by the service, what signals counted is kept when it is."""
    floor = machines.floor
    by_hand: Json = {"product": "carton-10", "from": iso(machines.at(-5)), "to": iso(machines.at(-4)), "good": 9}
    by_hand |= {"scrap": 0, "rework": 0}
    await floor.done(floor.operator, "POST", f"/lines/{PACKER}/counts", {"counts": [by_hand]})
    await machines.send(machines.readings(0, 6))
    await machines.derive()
    with postgres.connect(database, "kojo_app") as service:
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="is on record; correct it"):
            service.execute("DELETE FROM mes.production_count WHERE source = 'record'")
        service.execute("DELETE FROM mes.production_count WHERE source = 'signals'")
    kept = floor.admin.execute("SELECT good FROM mes.production_count_superseded ORDER BY from_time").fetchall()
    assert kept == [(150,), (25,)]


async def test_how_long_readings_wait_to_be_derived_is_measured(
    machines: Machines, exporter_settings: ExporterSettings
) -> None:
    name = "production_signals_lag_seconds"
    await machines.send(machines.readings(0, 2))
    waiting = (await scrape(exporter_settings, "line-monitor"))[name, (PACKER,)]
    assert 0 < waiting < 120, "since they came, not since they were measured two hours ago"
    machines.floor.admin.execute("UPDATE mes.signal_change SET came_at = came_at - interval '10 minutes'")
    samples = await scrape(exporter_settings, "line-monitor")
    assert 600 < samples[name, (PACKER,)] < 720
    assert samples[name, ("line-1",)] == 0
    await machines.derive()
    assert (await scrape(exporter_settings, "line-monitor"))[name, (PACKER,)] == 0


async def test_a_failure_to_derive_is_counted_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_database: Database) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(service, "derive_due", fails)
    monkeypatch.setattr(service, "INTERVAL", 0.001)
    before = REGISTRY.get_sample_value("production_signals_failures_total") or 0
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(keep(None), 0.2)  # type: ignore[arg-type]
    assert (REGISTRY.get_sample_value("production_signals_failures_total") or 0) >= before + 2
