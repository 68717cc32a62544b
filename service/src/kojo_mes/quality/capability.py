"""Process capability and performance indices. No I/O.

Cp = (USL − LSL)/6σ, Cpk = min(USL − µ, µ − LSL)/3σ with σ = R̄/d2 within subgroups; Pp and Ppk are the same with the
standard deviation of all values. Sources: NIST/SEMATECH e-Handbook 6.1.6; Montgomery, Introduction to Statistical
Quality Control, 7th ed., 8.3; ISO 22514-2. They speak of a stable process with normally distributed values only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True)
class Indices:
    """`spread` (Cp or Pp) needs both limits; `centred` (Cpk or Ppk) is that of the nearer, or of the only one."""

    spread: float | None
    centred: float


@dataclass(frozen=True)
class Capability:
    mean: float
    sigma_within: float
    sigma_overall: float
    within: Indices
    overall: Indices


def indices(mean: float, sigma: float, lower: float | None, upper: float | None) -> Indices:
    """ValueError: no specification limit, or no variation."""
    if sigma <= 0:
        raise ValueError("the values don't vary: no index follows from them")
    sides = []
    if lower is not None:
        sides.append((mean - lower) / (3 * sigma))
    if upper is not None:
        sides.append((upper - mean) / (3 * sigma))
    if not sides:
        raise ValueError("the specification has no limit")
    spread = (upper - lower) / (6 * sigma) if lower is not None and upper is not None else None
    return Indices(spread, min(sides))


def capability(values: Sequence[float], sigma_within: float, lower: float | None, upper: float | None) -> Capability:
    """Of all single values, in the characteristic's unit; `sigma_within` comes from the chart's ranges."""
    mean, overall = fmean(values), stdev(values)
    return Capability(
        mean,
        sigma_within,
        overall,
        indices(mean, sigma_within, lower, upper),
        indices(mean, overall, lower, upper),
    )
