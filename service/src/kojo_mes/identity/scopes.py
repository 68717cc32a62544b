"""What a machine speaks for: a registered device for its equipment, a key of the settings for what they bind it to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from kojo_mes.kit.settings import ApiKey


@dataclass(frozen=True)
class Scope:
    """By ids of the plant's page, and names of sensors. A sensor alone speaks for no line."""

    lines: frozenset[str] = frozenset()
    equipment: frozenset[str] = frozenset()
    sensors: frozenset[str] = frozenset()

    @classmethod
    def of_key(cls, key: ApiKey) -> Scope | None:
        """None of a key that is bound to nothing, as there are in development."""
        return cls(key.lines, key.equipment, key.sensors) if key.is_bound else None

    def has_sensor(self, sensor: str, equipment: str, line: str) -> bool:
        return line in self.lines or equipment in self.equipment or sensor in self.sensors

    def has_line(self, line: str, equipment: Collection[str]) -> bool:
        """`equipment`: of the line."""
        return line in self.lines or not self.equipment.isdisjoint(equipment)
