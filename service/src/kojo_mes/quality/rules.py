"""Rules that tell a special cause from chance, by name and source. No I/O.

They judge z, a point's distance from the centre line in standard deviations of what is plotted. "Beyond" is strictly
beyond; a point on the centre line is on neither side. A signal belongs to the point that completes its pattern.

Sources: Western Electric, Statistical Quality Control Handbook (1956), pp. 25–28, as in NIST/SEMATECH e-Handbook 6.3.2;
L. S. Nelson, "The Shewhart Control Chart—Tests for Special Causes", Journal of Quality Technology 16 (1984), 237–239.
The tests were made for means and individuals: ranges are judged by their limits alone (Nelson, ibid.).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

Judge = Callable[[Sequence[float]], bool]


class RuleSet(StrEnum):
    WESTERN_ELECTRIC = "western-electric"
    NELSON = "nelson"


@dataclass(frozen=True)
class Rule:
    """`completed` judges the latest points, of which it gets at most `span`, whether the last completes the pattern."""

    name: str
    text: str
    source: str
    span: int
    completed: Judge


@dataclass(frozen=True)
class Signal:
    rule: str
    index: int


def _some_beyond(needed: int, distance: float) -> Judge:
    """`needed` of the latest points, the last among them, are beyond `distance` on one side."""

    def judge(latest: Sequence[float]) -> bool:
        side = 1 if latest[-1] > 0 else -1
        return side * latest[-1] > distance and sum(side * z > distance for z in latest) >= needed

    return judge


def _run_on_one_side(length: int) -> Judge:
    def judge(latest: Sequence[float]) -> bool:
        return len(latest) == length and (all(z > 0 for z in latest) or all(z < 0 for z in latest))

    return judge


def _steady(length: int) -> Judge:
    def judge(latest: Sequence[float]) -> bool:
        steps = [after - before for before, after in pairwise(latest)]
        return len(latest) == length and (all(step > 0 for step in steps) or all(step < 0 for step in steps))

    return judge


def _alternating(length: int) -> Judge:
    def judge(latest: Sequence[float]) -> bool:
        steps = [after - before for before, after in pairwise(latest)]
        return len(latest) == length and all(before * after < 0 for before, after in pairwise(steps))

    return judge


def _all_within(length: int, distance: float) -> Judge:
    def judge(latest: Sequence[float]) -> bool:
        return len(latest) == length and all(abs(z) < distance for z in latest)

    return judge


def _none_within(length: int, distance: float) -> Judge:
    def judge(latest: Sequence[float]) -> bool:
        away = len(latest) == length and all(abs(z) > distance for z in latest)
        return away and min(latest) < 0 < max(latest)

    return judge


_WE = "Western Electric (1956), pp. 25–28; NIST/SEMATECH e-Handbook 6.3.2"
_NELSON = "Nelson, JQT 16 (1984), 237–239, test {}"

RULES: dict[RuleSet, tuple[Rule, ...]] = {
    RuleSet.WESTERN_ELECTRIC: (
        Rule("western-electric-1", "one point beyond 3σ", _WE, 1, _some_beyond(1, 3)),
        Rule("western-electric-2", "two of three points beyond 2σ on one side", _WE, 3, _some_beyond(2, 2)),
        Rule("western-electric-3", "four of five points beyond 1σ on one side", _WE, 5, _some_beyond(4, 1)),
        Rule("western-electric-4", "eight points in a row on one side", _WE, 8, _run_on_one_side(8)),
    ),
    RuleSet.NELSON: (
        Rule("nelson-1", "one point beyond 3σ", _NELSON.format(1), 1, _some_beyond(1, 3)),
        Rule("nelson-2", "nine points in a row on one side", _NELSON.format(2), 9, _run_on_one_side(9)),
        Rule("nelson-3", "six points in a row rising or falling", _NELSON.format(3), 6, _steady(6)),
        Rule("nelson-4", "fourteen points in a row alternating up and down", _NELSON.format(4), 14, _alternating(14)),
        Rule("nelson-5", "two of three points beyond 2σ on one side", _NELSON.format(5), 3, _some_beyond(2, 2)),
        Rule("nelson-6", "four of five points beyond 1σ on one side", _NELSON.format(6), 5, _some_beyond(4, 1)),
        Rule("nelson-7", "fifteen points in a row within 1σ", _NELSON.format(7), 15, _all_within(15, 1)),
        Rule("nelson-8", "eight points in a row beyond 1σ, on both sides", _NELSON.format(8), 8, _none_within(8, 1)),
    ),
}
LONGEST_SPAN = max(rule.span for rules in RULES.values() for rule in rules)


def signals(rule_set: RuleSet, z: Sequence[float]) -> list[Signal]:
    """Every signal of a series, in its order."""
    return [
        Signal(rule.name, index)
        for index in range(len(z))
        for rule in RULES[rule_set]
        if rule.completed(z[max(0, index + 1 - rule.span) : index + 1])
    ]
