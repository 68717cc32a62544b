"""Lines that behave: they make units at about their ideal pace, warm up, stop now and then, and fail some checks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kojo_mes.lines.plant import EquipmentPage, LinePage, Measurement, Plant

AMBIENT = 22.0
PACE = 0.94  # of the ideal cycle time's rate
STOPS_PER_HOUR = 4.0
STOP_SECONDS = (5.0, 20.0)  # shorter than what ProductionLineDown waits for
REJECTS = 0.01
RUNNING_POWER, IDLE_POWER = 12.0, 1.5  # kW
WARMING_PER_SECOND = 0.02  # share of the way to the running temperature


@dataclass
class Machine:
    page: EquipmentPage
    ideal_cycle_time: float
    random: random.Random
    temperature: float = AMBIENT
    work: float = 0.0  # of the unit that is being made
    energy: float = 0.0  # kWh of the last step
    counts: dict[Measurement, int] = field(default_factory=dict)

    def advance(self, seconds: float, running: bool) -> None:
        target = AMBIENT + (0.7 * self.page.temperature_limit - AMBIENT if running else 0.0)
        self.temperature += (target - self.temperature) * min(1.0, WARMING_PER_SECOND * seconds)
        self.temperature += self.random.gauss(0.0, 0.1)
        self.energy = seconds / 3600 * (RUNNING_POWER if running else IDLE_POWER)
        self.work += running * seconds * PACE / self.ideal_cycle_time
        made, self.work = int(self.work), self.work % 1
        rejected = sum(self.random.random() < REJECTS for _ in range(made))
        checks = {Measurement.QUALITY_PASSED: made - rejected, Measurement.QUALITY_FAILED: rejected}
        self.counts = checks | self._units(made - rejected, rejected)

    def _units(self, good: int, rejected: int) -> dict[Measurement, int]:
        limit = self.page.counter_limit
        if limit is None:
            return {Measurement.GOOD_COUNT: good, Measurement.REJECT_COUNT: rejected}
        before = self.counts
        return {
            total: (before.get(total, 0) + units) % (limit + 1)
            for total, units in ((Measurement.GOOD_TOTAL, good), (Measurement.REJECT_TOTAL, rejected))
        }

    def values(self, running: bool) -> dict[Measurement, float]:
        meter = {Measurement.ENERGY: round(self.energy, 6)} if self.page.energy_meter else {}
        return {
            Measurement.STATUS: float(running),
            Measurement.TEMPERATURE: round(self.temperature, 2),
            **self.counts,
            **meter,
        }


class SimulatedLine:
    def __init__(self, page: LinePage, seed: random.Random) -> None:
        self._random = seed
        self._stopped_for = 0.0
        self._machines = [Machine(item, page.ideal_cycle_time, seed) for item in page.equipment]

    def advance(self, seconds: float) -> None:
        self._stopped_for = max(0.0, self._stopped_for - seconds)
        if not self._stopped_for and self._random.random() < STOPS_PER_HOUR * seconds / 3600:
            self._stopped_for = self._random.uniform(*STOP_SECONDS)
        for machine in self._machines:
            machine.advance(seconds, self.running)

    @property
    def running(self) -> bool:
        return not self._stopped_for

    def readings(self, time: str) -> Iterator[dict[str, Any]]:
        for machine in self._machines:
            for measurement, value in machine.values(self.running).items():
                yield {"sensor": f"{machine.page.id}.{measurement}", "time": time, "value": value}


class SimulatedPlant:
    def __init__(self, plant: Plant, seed: int) -> None:
        self._lines = [SimulatedLine(line, random.Random(f"{seed} {line.id}")) for line in plant.lines]  # noqa: S311

    def advance(self, seconds: float) -> None:
        for line in self._lines:
            line.advance(seconds)

    def readings(self, time: str) -> list[dict[str, Any]]:
        return [reading for line in self._lines for reading in line.readings(time)]
