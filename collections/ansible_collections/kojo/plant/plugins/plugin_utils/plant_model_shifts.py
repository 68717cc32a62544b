# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""What can be wrong with the shifts and production windows of a plant's page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_parts import Parts
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_shape import Fault, suggestion

DAY = 24 * 60  # minutes


def check_shifts(parts: Parts) -> Iterator[Fault]:
    """Shifts of unknown lines, on no day, and those of one line that overlap."""
    lines = _known_lines(parts)
    shifts = parts.items("plant_shifts")
    yield from _weekly_faults("plant_shifts", shifts, lines)
    for (_, one), (number, other) in combinations(enumerate(shifts), 2):
        shared = _lines(one, lines) & _lines(other, lines)
        if shared and _minutes(one) & _minutes(other):
            yield Fault(
                f"plant_shifts[{number}]",
                f"{other.get('name')} overlaps {one.get('name')} on {', '.join(sorted(shared))}",
                "move one of them, or name the lines of each",
            )


def check_windows(parts: Parts) -> Iterator[Fault]:
    """Production windows of unknown lines or on no day. They may overlap."""
    key = "plant_production_windows"
    yield from _weekly_faults(key, parts.items(key), _known_lines(parts))


def _known_lines(parts: Parts) -> set[str]:
    return {line["id"] for line in parts.items("plant_lines") if "id" in line}


def _weekly_faults(page_key: str, items: Sequence[Mapping[str, Any]], lines: set[str]) -> Iterator[Fault]:
    for number, item in enumerate(items):
        key = f"{page_key}[{number}]"
        for place, name in enumerate(item.get("lines", [])):
            if lines and name is not None and name not in lines:
                yield Fault(f"{key}.lines[{place}]", f"{name} is not a line", suggestion(name, lines))
        if item.get("weekdays") == []:
            yield Fault(f"{key}.weekdays", "names no day", "write for example [1, 2, 3, 4, 5]")


def _lines(shift: Mapping[str, Any], every: set[str]) -> set[str]:
    return set(shift["lines"]) & every if "lines" in shift else every


def _minutes(shift: Mapping[str, Any]) -> set[int]:
    """Of the week, that are within the shift; none of one that isn't sound."""
    if not {"starts", "ends", "weekdays"} <= shift.keys():
        return set()
    start, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in (shift["starts"], shift["ends"]))
    length = (end - start - 1) % DAY + 1  # at or before its start it is on the next day
    days = [day for day in shift["weekdays"] if day is not None]
    return {((day - 1) * DAY + start + minute) % (7 * DAY) for day in days for minute in range(length)}
