# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""What can be wrong with those who may approve a change on files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_shape import Fault


def check_approvers(approvers: Mapping[str, Mapping[str, Any] | None]) -> Iterator[Fault]:
    """People with one key, and people who can't approve anything together. APPROVERS have the page's shape."""
    people = {name: person or {} for name, person in approvers.items()}
    for (one, first), (other, second) in combinations(people.items(), 2):
        if "key" in first and "key" in second and _material(first["key"]) == _material(second["key"]):
            yield Fault(
                f"plant_approvers.{other}.key", f"is the key of {one} too", "each person has a key of their own"
            )
    roles = {person["role"] for person in people.values() if "role" in person}
    if len(roles) == 1 and all("role" in person for person in people.values()):
        yield Fault(
            "plant_approvers",
            f"has people of one role alone ({roles.pop()}), and a change takes two roles",
            "add somebody of another role, or remove the key",
        )


def _material(key: str) -> str:
    """What makes it that key: its comment does not."""
    return key.split()[1]
