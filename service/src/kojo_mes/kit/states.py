"""State machines as data: what is not in the table is refused, and the attempt is an audit entry (11.10(f))."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from kojo_mes.kit.audit import RecordRef
from kojo_mes.kit.writes import Denied

State = TypeVar("State", bound=StrEnum)


class Transitions(Generic[State]):
    def __init__(self, table: Mapping[State, frozenset[State]]) -> None:
        self._table = table

    def possible(self, present: State) -> frozenset[State]:
        return self._table.get(present, frozenset())

    def check(self, ref: RecordRef, present: State, wanted: State) -> None:
        """Raises Denied (409) unless the table has it."""
        possible = self.possible(present)
        if wanted not in possible:
            raise Denied(
                ref,
                f"{present} → {wanted}",
                f"{ref.type} {ref.id} is {present} and can't become {wanted}",
                f"Possible: {', '.join(sorted(possible)) or 'nothing, this state is final'}.",
                kind="illegal-transition",
            )
