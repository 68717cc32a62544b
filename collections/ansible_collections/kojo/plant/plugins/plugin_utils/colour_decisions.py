# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""What was decided on an edge, from its agent's lines (module_utils/bluegreen/history.py) to events of the journal."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.decision import Decision, Unsound

ACTION, RECORD = "bluegreen:decide", "colour_decision"
TAKEN_OVER = "taken over"
SAME_SECONDS = 60.0  # between two edges' records of one decision: an agent accepts 10 s at most
LARGEST_GENERATION = 2**53
LONGEST_WHO = 200
EPOCH = datetime.fromtimestamp(0, UTC)
INSTANT = "%Y-%m-%dT%H:%M:%S.%fZ"


class Damaged(Exception):
    """A line that is none of an agent's, and why."""


@dataclass(frozen=True)
class Decided:
    """On EDGE, by WHO and WHY, AT an instant (UTC): NEW instead of OLD."""

    edge: str
    at: datetime
    who: str
    why: str
    old: Decision
    new: Decision

    @classmethod
    def parse(cls, edge: str, line: str) -> Decided:
        """Raises Damaged."""
        try:
            told = json.loads(line)
            at = datetime.fromtimestamp(told["at"], UTC)
            decisions = _decision(told["old"]), _decision(told["new"])
            who, why = told["who"], told["why"]
        except (ArithmeticError, KeyError, OSError, RecursionError, TypeError, Unsound, ValueError) as error:
            raise Damaged(f"{type(error).__name__}: {error}") from error
        if at < EPOCH or not isinstance(who, str) or not isinstance(why, str):
            raise Damaged("at is to be an instant since 1970, who and why texts")
        return cls(edge, at, who[:LONGEST_WHO], why, *decisions)

    def event(self) -> dict[str, Any]:
        """As `journal_entry.entry` takes it."""
        made = {"at": self.at.strftime(INSTANT), "edge": self.edge, "who": self.who}
        return {
            "action": ACTION,
            "record_type": RECORD,
            "record_id": str(self.new.generation),
            "old": asdict(self.old),
            "new": asdict(self.new) | made,
            "reason": self.why,
        }


class Known:
    """The decisions among a journal's EVENTS."""

    def __init__(self, events: Iterable[Mapping[str, Any]]) -> None:
        self._new: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for event in events:
            if (event["action"], event["record"]["type"]) == (ACTION, RECORD):
                self._new[event["record"]["id"]].append(event["new"])

    def __contains__(self, decided: Decided) -> bool:
        return any(_same(new, decided) for new in self._new[str(decided.new.generation)])


def _same(known: Mapping[str, Any], decided: Decided) -> bool:
    if (known["active"], known["canary"]) != (decided.new.active, decided.new.canary):
        return False
    if known["edge"] == decided.edge:
        return bool(known["at"] == decided.at.strftime(INSTANT))
    apart = datetime.strptime(known["at"], INSTANT).replace(tzinfo=UTC) - decided.at
    return known["who"] == decided.who and abs(apart.total_seconds()) <= SAME_SECONDS


def _decision(told: Mapping[str, Any]) -> Decision:
    decision = Decision(told["active"], told["canary"], told["generation"])
    if {type(decision.canary), type(decision.generation)} != {int} or decision.generation > LARGEST_GENERATION:
        raise ValueError("canary and generation are to be whole numbers, up to 2^53")
    return decision
