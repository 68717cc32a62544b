"""The simulated plant: the same for the same seed, and such that the dashboards make sense."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from kojo_mes.lines.plant import VALUE_FAULTS, Measurement, Plant
from kojo_mes.simulator.machines import SimulatedPlant
from kojo_mes.simulator.spool import Spool


def play(plant: Plant, seed: int, seconds: int) -> list[dict[str, float]]:
    simulated = SimulatedPlant(plant, seed)
    story = []
    for _ in range(seconds):
        simulated.advance(1.0)
        story.append({reading["sensor"]: reading["value"] for reading in simulated.readings("now")})
    return story


def test_a_seed_plays_the_same_again(plant: Plant) -> None:
    assert play(plant, 7, 60) == play(plant, 7, 60)
    assert play(plant, 7, 60) != play(plant, 8, 60)


def test_a_shift_is_plausible(plant: Plant) -> None:
    hour = play(plant, 7, 3600)
    for line in plant.lines:
        outlet = line.equipment[-1]
        good = sum(moment[f"{outlet.id}.good_count"] for moment in hour)
        assert 0.85 < good * line.ideal_cycle_time / 3600 < 1
        stopped = sum(moment[f"{outlet.id}.status"] == 0 for moment in hour)
        assert 0 < stopped < 360
        assert max(moment[f"{outlet.id}.temperature"] for moment in hour) < outlet.temperature_limit
    made = {
        kind: sum(value for moment in hour for name, value in moment.items() if name.endswith(kind))
        for kind in ("quality_passed", "quality_failed")
    }
    assert 0.002 < made["quality_failed"] / made["quality_passed"] < 0.05


def test_it_sends_only_what_the_service_takes(plant: Plant) -> None:
    for moment in play(plant, 7, 300):
        for sensor, value in moment.items():
            assert VALUE_FAULTS[Measurement(sensor.split(".")[1])](value) is None


def test_a_machine_sends_what_it_has_sensors_for(plant: Plant) -> None:
    """With a meter energy, with counters that are totals those, which begin at 0 again after their limit."""
    machine = plant.lines[1].equipment[0].model_copy(update={"energy_meter": True, "counter_limit": 9})
    line = plant.lines[1].model_copy(update={"equipment": (machine,)})
    hour = play(plant.model_copy(update={"lines": (line,)}), 7, 3600)
    assert all(set(moment) == {f"packer-1.{sensor}" for sensor in machine.measurements()} for moment in hour)
    totals = [moment["packer-1.good_total"] for moment in hour]
    steps = {(after - before) % 10 for before, after in pairwise(totals)}
    assert (min(totals), max(totals), steps) == (0, 9, {0, 1})
    assert 1.5 < sum(moment["packer-1.energy"] for moment in hour) < 12


def test_the_spool_keeps_order_over_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in range(3):
        spool.put(str(number).encode())
    again = Spool(tmp_path)
    assert again.filled.is_set()
    assert [again.read(key) for key in again.waiting()] == [b"0", b"1", b"2"]
    again.drop(again.waiting()[0])
    assert len(again.waiting()) == 2
