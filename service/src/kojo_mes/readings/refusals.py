"""Which readings of a batch can't be taken, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from sqlalchemy import Row

from kojo_mes.identity.service import equipment_of
from kojo_mes.kit import audit
from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.database import ReadSession, WriteSession
from kojo_mes.kit.problems import Fault, Problem, invalid
from kojo_mes.kit.security import Actor
from kojo_mes.kit.writes import Denied
from kojo_mes.lines.plant import UNITS, Measurement, measurement_fault
from kojo_mes.readings import repository
from kojo_mes.readings.schemas import ReadingIn, Unreadable

OLDEST = timedelta(days=27)  # the month before is always there to hold it (migration 0002)
CLOCK_TOLERANCE = timedelta(seconds=60)
WANTED = "send readings"
Sensor = Row[tuple[int, str, str, str]]


@dataclass(frozen=True)
class Numbered:
    """A reading and its index in the batch."""

    index: int
    reading: ReadingIn


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


def readable(given: Sequence[ReadingIn | Unreadable], now: datetime) -> tuple[list[Numbered], list[Fault]]:
    """Those that are readings of a possible time, and what is wrong with the others."""
    good, faults = [], []
    for index, item in enumerate(given):
        if isinstance(item, Unreadable):
            faults += [_fault(index, field, detail) for field, detail in item.faults]
        elif detail := _time_fault(item.time, now):
            faults.append(_fault(index, "time", detail))
        else:
            good.append(Numbered(index, item))
    return good, faults


async def checked(session: ReadSession, actor: Actor, readings: Sequence[Numbered]) -> Checked:
    """By sensor, device, unit and value."""
    known = {row.name: row for row in await repository.sensors(session, {item.reading.sensor for item in readings})}
    bound = await equipment_of(session, actor)
    result = Checked([], [], [], [], ())
    refused: set[str] = set()
    for item in readings:
        index, reading = item.index, item.reading
        sensor = known.get(reading.sensor)
        if sensor is None:
            result.unknown.append(_fault(index, "sensor", f"{reading.sensor} is not a sensor of this plant"))
            refused.add(reading.sensor)
        elif bound is not None and sensor.equipment_id not in bound:
            result.foreign.append(_fault(index, "sensor", f"{reading.sensor} is not a sensor of {actor.name}"))
            refused.add(reading.sensor)
        elif fault := _value_fault(index, reading, Measurement(sensor.measurement)):
            result.impossible.append(fault)
        else:
            result.staged.append(repository.Staged(sensor.id, reading.time, reading.value, reading.quality.value))
    return Checked(result.staged, result.unknown, result.foreign, result.impossible, tuple(sorted(refused)))


def _value_fault(index: int, reading: ReadingIn, measurement: Measurement) -> Fault | None:
    if reading.unit is not None and reading.unit != UNITS[measurement]:
        return _fault(index, "unit", f"{reading.sensor} is in {UNITS[measurement]}")
    detail = measurement_fault(measurement, reading.value)
    return _fault(index, "value", detail) if detail else None


def _time_fault(time: datetime, now: datetime) -> str | None:
    if time > now + CLOCK_TOLERANCE:
        return f"is in the future; the sender's clock may be ahead by {CLOCK_TOLERANCE.seconds} s at most"
    if time < now - OLDEST:
        return f"is older than {OLDEST.days} days"
    return None


def _fault(index: int, field: str, detail: str) -> Fault:
    return Fault(place="body", index=index, field=field, detail=detail)
