# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""What can be wrong with lines, their equipment, and the areas and work cells that they are in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_parts import Parts
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_shape import Fault, suggestion


def check_lines(parts: Parts) -> Iterator[Fault]:
    if parts.page.get("plant_lines") == []:
        yield Fault("plant_lines", "is empty", "describe at least one line")
    lines = parts.items("plant_lines")
    equipment = [piece or {} for line in lines for piece in line.get("equipment", [])]
    cells = [cell or {} for line in lines for cell in line.get("work_cells", [])]
    areas = parts.items("plant_areas")
    for kind, entries in (("lines", lines), ("pieces of equipment", equipment)):
        for name, count in _ids(entries).items():
            if count > 1:
                yield Fault("plant_lines", f"{count} {kind} have the id {name}", "give each an id of its own")
    for name, count in _ids(areas + cells).items():
        if count + _ids(lines + equipment)[name] > 1:
            yield Fault(
                "plant_lines", f"an area or work cell shares the id {name} with another", "give each an id of its own"
            )
    for number, line in enumerate(lines):
        yield from _places(f"plant_lines[{number}]", line, set(_ids(areas)))
        for place, piece in enumerate(line.get("equipment", [])):
            yield from _limits(f"plant_lines[{number}].equipment[{place}]", piece or {})


def _limits(key: str, piece: Mapping[str, Any]) -> Iterator[Fault]:
    """As the service's `kojo-mes check` would find them: of a sensor that isn't there, or the wrong way round."""
    totals, counts = {"good_total", "reject_total"}, {"good_count", "reject_count"}
    absent = (counts if "counter_limit" in piece else totals) | (set() if piece.get("energy_meter") else {"energy"})
    for measurement, limits in piece.get("limits", {}).items():
        if measurement in absent:
            yield Fault(
                f"{key}.limits.{measurement}", "is of a sensor that the equipment doesn't have", "remove the limits"
            )
        low, high = (limits or {}).get("low"), (limits or {}).get("high")
        if low is not None and high is not None and low >= high:
            yield Fault(f"{key}.limits.{measurement}", f"low {low} is not below high {high}", "swap them")


def _places(key: str, line: Mapping[str, Any], areas: set[str]) -> Iterator[Fault]:
    if "area" in line and line["area"] not in areas:
        yield _unknown(f"{key}.area", line["area"], "plant_areas", areas)
    cells = set(_ids([cell or {} for cell in line.get("work_cells", [])]))
    for number, piece in enumerate(line.get("equipment", [])):
        cell = (piece or {}).get("work_cell")
        if cell is not None and cell not in cells:
            yield _unknown(f"{key}.equipment[{number}].work_cell", cell, "the line's work_cells", cells)


def _unknown(key: str, name: str, place: str, known: set[str]) -> Fault:
    return Fault(key, f"{name} is not in {place}", suggestion(name, known) if known else f"describe it in {place}")


def _ids(entries: list[Mapping[str, Any]]) -> Counter[str]:
    return Counter(entry["id"] for entry in entries if "id" in entry)
