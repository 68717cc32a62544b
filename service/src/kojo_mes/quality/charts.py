"""Shewhart control charts: what is plotted, and between which limits. No I/O.

Sources: NIST/SEMATECH e-Handbook of Statistical Methods 6.3.2.1 (X̄-R), 6.3.2.2 (individuals and moving range),
6.3.3.2 (p); Montgomery, Introduction to Statistical Quality Control, 7th ed., sections 6.2, 6.4, 7.2 and appendix VI;
ISO 7870-2. All values are in the characteristic's unit; a proportion has none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import fmean

# Mean and standard deviation of the relative range w = R/σ of n normal values; Montgomery, appendix VI.
# fmt: off
D2 = dict(enumerate((
    1.128, 1.693, 2.059, 2.326, 2.534, 2.704, 2.847, 2.970, 3.078, 3.173, 3.258, 3.336,
    3.407, 3.472, 3.532, 3.588, 3.640, 3.689, 3.735, 3.778, 3.819, 3.858, 3.895, 3.931,
), start=2))
D3 = dict(enumerate((
    0.853, 0.888, 0.880, 0.864, 0.848, 0.833, 0.820, 0.808, 0.797, 0.787, 0.778, 0.770,
    0.763, 0.756, 0.750, 0.744, 0.739, 0.734, 0.729, 0.724, 0.720, 0.716, 0.712, 0.708,
), start=2))
# fmt: on
LARGEST_SUBGROUP = max(D2)
MOVING_RANGE_SPAN = 2
FEWEST_BASELINE_POINTS = 20  # Montgomery 6.2.1: trial limits from 20 to 25 subgroups


class ChartKind(StrEnum):
    XBAR_R = "xbar-r"
    INDIVIDUALS = "individuals-mr"
    P = "p"


@dataclass(frozen=True)
class Sample:
    """What one check contributes: measured values of a subgroup, or a count of nonconforming units."""

    values: tuple[float, ...] = ()
    size: int = 0
    nonconforming: int = 0


@dataclass(frozen=True)
class Basis:
    """What limits are made of: the centre (X̄̄, X̄ or p̄) and the mean range (R̄ or MR̄; not of a p chart)."""

    kind: ChartKind
    centre: float
    mean_range: float | None
    subgroup_size: int

    @property
    def sigma(self) -> float:
        """Standard deviation of single values within subgroups: R̄/d2 (NIST 6.3.2.1), MR̄/1.128 (6.3.2.2)."""
        if self.mean_range is None:
            raise ValueError("a p chart has no standard deviation of its own: it depends on the sample's size")
        return self.mean_range / D2[_span(self)]


@dataclass(frozen=True)
class Limits:
    lower: float
    centre: float
    upper: float


@dataclass(frozen=True)
class Point:
    """A plotted point. `z` is its distance from the centre in standard deviations of what is plotted."""

    value: float
    limits: Limits
    z: float
    range: float | None
    range_limits: Limits | None

    @property
    def range_is_beyond(self) -> bool:
        if self.range is None or self.range_limits is None:
            return False
        return not self.range_limits.lower <= self.range <= self.range_limits.upper


def basis_of(kind: ChartKind, samples: Sequence[Sample], subgroup_size: int) -> Basis:
    """Centre and mean range of a baseline. ValueError names what is missing from it."""
    if len(samples) < FEWEST_BASELINE_POINTS:
        raise ValueError(f"has {len(samples)} checks; {FEWEST_BASELINE_POINTS} are needed")
    if kind is ChartKind.P:
        total = sum(sample.size for sample in samples)
        proportion = sum(sample.nonconforming for sample in samples) / total
        if not 0 < proportion < 1:
            raise ValueError("has only conforming or only nonconforming units: no limits follow from it")
        return Basis(kind, proportion, None, subgroup_size)
    mean_range = fmean(found for found in ranges(kind, samples) if found is not None)
    if mean_range == 0:
        raise ValueError("has values that don't vary: no limits follow from it")
    return Basis(kind, fmean(statistic(kind, sample) for sample in samples), mean_range, subgroup_size)


def statistic(kind: ChartKind, sample: Sample) -> float:
    """X̄ of a subgroup, the individual value, or the proportion nonconforming."""
    return sample.nonconforming / sample.size if kind is ChartKind.P else fmean(sample.values)


def ranges(kind: ChartKind, samples: Sequence[Sample]) -> list[float | None]:
    """R of each subgroup; MR from the value before (the first has none); a p chart has none."""
    if kind is ChartKind.P:
        return [None] * len(samples)
    if kind is ChartKind.XBAR_R:
        return [max(sample.values) - min(sample.values) for sample in samples]
    moving = [abs(after.values[0] - before.values[0]) for before, after in pairwise(samples)]
    return [None, *moving] if samples else []


def location_limits(basis: Basis, sample_size: int) -> Limits:
    """X̄̄ ± 3σ/√n = X̄̄ ± A2·R̄ (NIST 6.3.2.1); X̄ ± 3·MR̄/1.128 (6.3.2.2); p̄ ± 3√(p̄(1−p̄)/n), in 0…1 (6.3.3.2)."""
    distance = 3 * _standard_error(basis, sample_size)
    lower, upper = basis.centre - distance, basis.centre + distance
    if basis.kind is ChartKind.P:
        lower, upper = max(0.0, lower), min(1.0, upper)
    return Limits(lower, basis.centre, upper)


def range_limits(basis: Basis) -> Limits | None:
    """D3·R̄ and D4·R̄, which are R̄ ± 3·d3·R̄/d2, not below 0 (NIST 6.3.2.1)."""
    if basis.mean_range is None:
        return None
    span = _span(basis)
    distance = 3 * D3[span] / D2[span]
    return Limits(max(0.0, 1 - distance) * basis.mean_range, basis.mean_range, (1 + distance) * basis.mean_range)


def plot(basis: Basis, samples: Sequence[Sample]) -> list[Point]:
    """The points of a chart in the order given. A p chart's limits follow each sample's own size."""
    of_range = range_limits(basis)
    points = []
    for sample, spread in zip(samples, ranges(basis.kind, samples), strict=True):
        value = statistic(basis.kind, sample)
        size = sample.size if basis.kind is ChartKind.P else basis.subgroup_size
        z = (value - basis.centre) / _standard_error(basis, size)
        points.append(Point(value, location_limits(basis, size), z, spread, of_range))
    return points


def _standard_error(basis: Basis, sample_size: int) -> float:
    if basis.kind is ChartKind.P:
        return math.sqrt(basis.centre * (1 - basis.centre) / sample_size)
    return basis.sigma / math.sqrt(basis.subgroup_size)


def _span(basis: Basis) -> int:
    return MOVING_RANGE_SPAN if basis.kind is ChartKind.INDIVIDUALS else basis.subgroup_size
