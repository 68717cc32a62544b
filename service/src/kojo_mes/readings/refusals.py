"""Which readings of a batch can't be taken, and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import NamedTuple

from kojo_mes.identity.scopes import Scope
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.writes import Denied
from kojo_mes.lines.plant import UNITS, VALUE_FAULTS, Measurement
from kojo_mes.readings import repository
from kojo_mes.readings.clocks import Clock
from kojo_mes.readings.schemas import Quality, ReadingIn, Unreadable

WANTED = "send readings"


class Numbered(NamedTuple):
    """A reading and its place in the batch, from 0."""

    place: int
    reading: ReadingIn
    skewed: bool  # of a time that is beyond the skew that is allowed


class Sensor(NamedTuple):
    """What a reading of it is judged by: looked up once a batch, not once a reading."""

    id: int
    unit: str
    value_fault: Callable[[float], str | None]
    is_foreign: bool  # to the device that sends
    low: float  # by the plant's page, in the sensor's unit
    high: float


@dataclass(frozen=True)
class Checked:
    """What may be stored, and why the rest may not."""

    staged: list[repository.Staged]
    unknown: list[Fault]
    foreign: list[Fault]
    impossible: list[Fault]
    sensors: tuple[str, ...]  # that were unknown or foreign

    @property
    def faults(self) -> list[Fault]:
        return [*self.unknown, *self.foreign, *self.impossible]

    def problem(self) -> Problem:
        """The first kind there is: who may not send is not told what is wrong with the values."""
        if self.unknown:
            return self._denied("A sensor is not known", "unknown-sensor", self.unknown)
        if self.foreign:
            return self._denied("A sensor belongs to other equipment than the device", "foreign-sensor", self.foreign)
        return invalid(self.impossible)

    async def leave_on_record(self, session: WriteSession, actor: Actor) -> None:
        """Of a batch that is stored without them, in its own transaction."""
        if self.sensors:
            await audit.record(
                session, actor, "denied", self._ref(), new={"wanted": WANTED}, reason="unknown sensor or foreign one"
            )

    def _denied(self, title: str, kind: str, faults: list[Fault]) -> Denied:
        detail = "Nothing was stored. GET /api/v1/lines lists the plant's sensors."
        return Denied(self._ref(), WANTED, title, detail, status=HTTPStatus.FORBIDDEN, kind=kind, errors=faults)

    def _ref(self) -> RecordRef:
        return RecordRef("sensor", ", ".join(self.sensors)[:1000])


def readable(
    given: Sequence[ReadingIn | Unreadable], clock: Clock, now: datetime
) -> tuple[list[Numbered], list[Fault]]:
    """Those that are readings of a possible time, and what is wrong with the others."""
    good, faults = [], []
    first, last = clock.undoubted(now)
    for index, item in enumerate(given):
        if isinstance(item, Unreadable):
            faults += [_fault(index, field, detail) for field, detail in item.faults]
        elif first <= item.time <= last:
            good.append(Numbered(index, item, skewed=False))
        elif detail := clock.fault(item.time, now):
            faults.append(_fault(index, "time", detail))
        else:
            good.append(Numbered(index, item, clock.is_skewed(item.time, now)))
    return good, faults


async def checked(session: ReadSession, actor: Actor, scope: Scope | None, readings: Sequence[Numbered]) -> Checked:
    """By sensor, what the actor speaks for, unit and value."""
    known = await _sensors(session, scope, {item.reading.sensor for item in readings})
    result = Checked([], [], [], [], ())
    refused: set[str] = set()
    for item in readings:
        index, reading = item.place, item.reading
        sensor = known.get(reading.sensor)
        if sensor is None:
            result.unknown.append(_fault(index, "sensor", f"{reading.sensor} is not a sensor of this plant"))
            refused.add(reading.sensor)
        elif sensor.is_foreign:
            result.foreign.append(_fault(index, "sensor", f"{reading.sensor} is not a sensor of {actor.name}"))
            refused.add(reading.sensor)
        elif reading.unit is not None and reading.unit != sensor.unit:
            result.impossible.append(_fault(index, "unit", f"{reading.sensor} is in {sensor.unit}"))
        elif detail := sensor.value_fault(reading.value):
            result.impossible.append(_fault(index, "value", detail))
        else:
            beyond = not sensor.low <= reading.value <= sensor.high
            doubted = reading.quality is Quality.GOOD and (item.skewed or beyond)
            quality = Quality.UNCERTAIN if doubted else reading.quality
            staged = repository.Staged(sensor.id, reading.time, reading.value, quality.value, item.skewed, beyond)
            result.staged.append(staged)
    return Checked(result.staged, result.unknown, result.foreign, result.impossible, tuple(sorted(refused)))


async def _sensors(session: ReadSession, scope: Scope | None, names: set[str]) -> dict[str, Sensor]:
    rows = await repository.sensors(session, names)
    found = {}
    for row in rows:
        measurement = Measurement(row.measurement)
        is_foreign = scope is not None and not scope.has_sensor(row.name, row.equipment_id, row.line_id)
        low = -math.inf if row.low is None else row.low
        high = math.inf if row.high is None else row.high
        found[row.name] = Sensor(row.id, UNITS[measurement], VALUE_FAULTS[measurement], is_foreign, low, high)
    return found


def _fault(index: int, field: str, detail: str) -> Fault:
    return Fault(place="body", index=index, field=field, detail=detail)
