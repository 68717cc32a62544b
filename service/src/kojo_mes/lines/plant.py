"""The plant's page (plant.json): lines, equipment, and what each piece of equipment measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import time
from enum import StrEnum
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    PositiveFloat,
    ValidationError,
    model_validator,
)


class Measurement(StrEnum):
    STATUS = "status"  # 1 running, 0 stopped
    GOOD_COUNT = "good_count"  # units since the sensor's reading before
    REJECT_COUNT = "reject_count"
    TEMPERATURE = "temperature"  # degrees Celsius
    QUALITY_PASSED = "quality_passed"  # checks since the sensor's reading before
    QUALITY_FAILED = "quality_failed"
    ENERGY = "energy"  # kWh since the sensor's reading before, of equipment with a meter
    GOOD_TOTAL = "good_total"  # all units so far, of equipment whose counters are totals: it has no good_count then
    REJECT_TOTAL = "reject_total"


COUNTS = {
    Measurement.GOOD_COUNT,
    Measurement.REJECT_COUNT,
    Measurement.QUALITY_PASSED,
    Measurement.QUALITY_FAILED,
}

DAY = 24 * 60  # minutes
HIGHEST_TOTAL = 2**53  # up to which a reading's value is exact
TOTALS = {Measurement.GOOD_TOTAL, Measurement.REJECT_TOTAL}

UNITS = {
    Measurement.STATUS: "1",
    Measurement.TEMPERATURE: "°C",
    Measurement.ENERGY: "kWh",
    **dict.fromkeys(COUNTS | TOTALS, "pcs"),
}


def _status_fault(value: float) -> str | None:
    return None if value in (0, 1) else "a status is 0 (stopped) or 1 (running)"


def _count_fault(value: float) -> str | None:
    possible = 0 <= value <= 1_000_000 and value == int(value)
    return None if possible else "a count is a whole number from 0 to 1000000"


def _total_fault(value: float) -> str | None:
    possible = 0 <= value <= HIGHEST_TOTAL and value == int(value)
    return None if possible else f"a total is a whole number from 0 to {HIGHEST_TOTAL}"


def _temperature_fault(value: float) -> str | None:
    return None if -273.15 <= value <= 3000 else "a temperature is from -273.15 to 3000 degrees Celsius"


def _energy_fault(value: float) -> str | None:
    return None if 0 <= value <= 1_000_000 else "energy is from 0 to 1000000 kWh since the reading before"


# why a value can't be one of a measurement
VALUE_FAULTS: dict[Measurement, Callable[[float], str | None]] = {
    Measurement.STATUS: _status_fault,
    Measurement.TEMPERATURE: _temperature_fault,
    Measurement.ENERGY: _energy_fault,
    **dict.fromkeys(COUNTS, _count_fault),
    **dict.fromkeys(TOTALS, _total_fault),
}


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("is not a time zone's name, like Asia/Tokyo") from None
    return name


Id = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63)]
Names = Annotated[dict[Literal["ja", "en"], str], Field(min_length=1)]


class _Page(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AreaPage(_Page):
    id: Id
    name: Names


class WorkCellPage(_Page):
    id: Id
    name: Names


class LimitsPage(_Page):
    """Between which a sensor's values are to be trusted, in its unit; one side may be open."""

    low: FiniteFloat | None = None
    high: FiniteFloat | None = None

    @model_validator(mode="after")
    def _low_is_lower(self) -> Self:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) is to be below high ({self.high:g})")
        return self


class EquipmentPage(_Page):
    id: Id
    name: Names
    type: str
    temperature_limit: PositiveFloat = 80.0
    work_cell: Id | None = None  # one of the line's
    energy_meter: bool = False
    counter_limit: Annotated[int, Field(gt=0, lt=HIGHEST_TOTAL)] | None = None  # of counters that are totals
    limits: dict[Measurement, LimitsPage] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _limits_are_of_sensors(self) -> Self:
        if lost := sorted(self.limits.keys() - set(self.measurements())):
            raise ValueError(f"limits of what {self.id} doesn't measure: {', '.join(lost)}")
        return self

    def measurements(self) -> list[Measurement]:
        """That it has a sensor for."""
        absent = {Measurement.GOOD_COUNT, Measurement.REJECT_COUNT} if self.counter_limit else TOTALS
        if not self.energy_meter:
            absent = absent | {Measurement.ENERGY}
        return [item for item in Measurement if item not in absent]


class LinePage(_Page):
    id: Id
    name: Names
    product: str
    ideal_cycle_time: PositiveFloat
    area: Id | None = None  # one of the plant's
    micro_stop_limit: Annotated[float, Field(ge=0, le=3600)] = 0.0  # seconds; shorter stops are a loss of speed
    work_cells: tuple[WorkCellPage, ...] = ()
    equipment: Annotated[tuple[EquipmentPage, ...], Field(min_length=1)]


class ShiftPage(_Page):
    """A shift of these weekdays (ISO 8601: 1 is Monday, 7 Sunday) by the plant's clock, until the page has another."""

    name: Annotated[str, Field(min_length=1)]
    weekdays: Annotated[frozenset[Annotated[int, Field(ge=1, le=7)]], Field(min_length=1)]
    starts: time
    ends: time  # at or before `starts`: on the next day
    lines: frozenset[Id] | None = None  # all, without

    def minutes(self) -> set[int]:
        """Of the week, that are within it."""
        start = self.starts.hour * 60 + self.starts.minute
        length = (self.ends.hour * 60 + self.ends.minute - start - 1) % DAY + 1
        return {((day - 1) * DAY + start + minute) % (7 * DAY) for day in self.weekdays for minute in range(length)}


class Plant(_Page):
    """The role-based equipment hierarchy of ISA-95 (IEC 62264-1): enterprise, site (the plant), area, line, work cell,
    equipment. Areas and work cells are left out where a plant has none."""

    id: str
    enterprise: str | None = None
    name: Names
    language: Literal["ja", "en"]
    timezone: Annotated[str, AfterValidator(_zone)]
    areas: tuple[AreaPage, ...] = ()
    lines: tuple[LinePage, ...]
    shifts: tuple[ShiftPage, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [line.id for line in self.lines] + [equipment.id for _, equipment in self.equipment()]
        ids += [area.id for area in self.areas] + [cell.id for line in self.lines for cell in line.work_cells]
        twice = sorted({item for item in ids if ids.count(item) > 1})
        if twice:
            raise ValueError(
                f"areas, lines, work cells and equipment need ids of their own; used twice: {', '.join(twice)}"
            )
        return self

    @model_validator(mode="after")
    def _places_are_known(self) -> Self:
        areas = {area.id for area in self.areas}
        lost = [line.id for line in self.lines if line.area is not None and line.area not in areas]
        for line in self.lines:
            cells = {cell.id for cell in line.work_cells}
            lost += [item.id for item in line.equipment if item.work_cell is not None and item.work_cell not in cells]
        if lost:
            raise ValueError(f"of an area or work cell that the page doesn't have: {', '.join(lost)}")
        return self

    @model_validator(mode="after")
    def _shifts_fit(self) -> Self:
        lost = sorted({line for shift in self.shifts for line in shift.lines or ()} - {line.id for line in self.lines})
        if lost:
            raise ValueError(f"shifts of lines that the page doesn't have: {', '.join(lost)}")
        for line in self.lines:
            for one, other in combinations(self.shifts_of(line.id), 2):
                if one.minutes() & other.minutes():
                    raise ValueError(f"the shifts {one.name} and {other.name} of {line.id} overlap")
        return self

    def shifts_of(self, line_id: str) -> list[ShiftPage]:
        return [shift for shift in self.shifts if shift.lines is None or line_id in shift.lines]

    def equipment(self) -> Iterator[tuple[LinePage, EquipmentPage]]:
        return ((line, equipment) for line in self.lines for equipment in line.equipment)


class Change(NamedTuple):
    """What the page made of a record. Without `old` the record is new."""

    record: str
    id: str
    old: dict[str, Any] | None
    new: dict[str, Any]


class PlantError(Exception):
    """The plant file is wrong; every fault names file and key."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def read_plant(path: Path) -> Plant:
    try:
        return Plant.model_validate_json(path.read_bytes())
    except OSError as error:
        raise PlantError([f"{path}: {error.strerror}"]) from error
    except ValidationError as error:
        raise PlantError(
            [
                f"{path}: {'.'.join(map(str, item['loc'])) or 'plant'}: {item['msg'].removeprefix('Value error, ')}"
                for item in error.errors()
            ]
        ) from error
