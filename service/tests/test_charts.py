"""Control charts, rules and capability against published worked examples and independent oracles."""

from __future__ import annotations

import math
from itertools import accumulate, pairwise, product

import published
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kojo_mes.quality.capability import capability, indices
from kojo_mes.quality.charts import (
    D2,
    D3,
    Basis,
    ChartKind,
    Sample,
    basis_of,
    location_limits,
    plot,
    range_limits,
    ranges,
)
from kojo_mes.quality.rules import RULES, RuleSet, signals

PISTONS = [Sample(values) for values in published.PISTON_RINGS]
JUICE = [Sample(size=published.SAMPLE_SIZE, nonconforming=count) for count in published.NONCONFORMING]


def test_piston_rings() -> None:
    basis = basis_of(ChartKind.XBAR_R, PISTONS, 5)
    assert basis.centre == pytest.approx(published.PISTON_CENTRE, abs=5e-6)
    assert basis.mean_range == pytest.approx(published.PISTON_MEAN_RANGE, abs=5e-6)
    assert basis.sigma == pytest.approx(published.PISTON_SIGMA, rel=1e-6)
    limits, spread = location_limits(basis, 5), range_limits(basis)
    assert spread is not None
    assert (limits.lower, limits.upper) == pytest.approx(published.PISTON_LIMITS, abs=5e-6)
    assert (spread.lower, spread.upper) == pytest.approx((0, published.PISTON_RANGE_UPPER), abs=5e-6)
    assert all(abs(point.z) < 3 and not point.range_is_beyond for point in plot(basis, PISTONS)), "in control"


def test_flow_rates() -> None:
    """Ten batches, fewer than a baseline needs: NIST's page takes them for the sake of the example."""
    samples = [Sample((value,)) for value in published.FLOW_RATES]
    moving = ranges(ChartKind.INDIVIDUALS, samples)
    assert moving[0] is None
    assert moving[1:] == pytest.approx(published.FLOW_MOVING_RANGES)
    basis = Basis(ChartKind.INDIVIDUALS, published.FLOW_CENTRE, published.FLOW_MEAN_RANGE, 1)
    limits = location_limits(basis, 1)
    assert (limits.lower, limits.upper) == pytest.approx(published.FLOW_LIMITS, abs=1e-4)
    assert signals(RuleSet.WESTERN_ELECTRIC, [point.z for point in plot(basis, samples)]) == []


def test_viscosity() -> None:
    samples = [Sample((value,)) for value in published.VISCOSITY]
    doubled = basis_of(ChartKind.INDIVIDUALS, [*samples, *reversed(samples)], 1)
    # the same ranges twice, and none between the last and itself: 28 ranges of 29
    basis = Basis(ChartKind.INDIVIDUALS, doubled.centre, (doubled.mean_range or 0) * 29 / 28, 1)
    assert basis.centre == pytest.approx(published.VISCOSITY_CENTRE, abs=5e-6)
    assert basis.sigma == pytest.approx(published.VISCOSITY_SIGMA, abs=5e-7)
    limits = location_limits(basis, 1)
    assert (limits.lower, limits.upper) == pytest.approx(published.VISCOSITY_LIMITS, abs=1e-5)


def test_orange_juice_and_wafers() -> None:
    basis = basis_of(ChartKind.P, JUICE, published.SAMPLE_SIZE)
    limits = location_limits(basis, published.SAMPLE_SIZE)
    assert basis.centre == pytest.approx(published.PROPORTION, abs=5e-7)
    assert (limits.lower, limits.upper) == pytest.approx(published.PROPORTION_LIMITS, abs=5e-8)
    beyond = [number for number, point in enumerate(plot(basis, JUICE)) if abs(point.z) > 3]
    assert tuple(beyond) == published.PROPORTION_BEYOND

    kept = [sample for number, sample in enumerate(JUICE) if number not in beyond]
    revised = basis_of(ChartKind.P, kept, published.SAMPLE_SIZE)
    limits = location_limits(revised, published.SAMPLE_SIZE)
    assert revised.centre == pytest.approx(published.REVISED_PROPORTION)
    assert (limits.lower, limits.upper) == pytest.approx(published.REVISED_LIMITS, abs=5e-8)
    outside = [number for number, point in enumerate(plot(revised, JUICE)) if abs(point.z) > 3 and number not in beyond]
    assert tuple(outside) == published.REVISED_BEYOND


def test_a_p_chart_follows_the_samples_size() -> None:
    """p̄ ± 3√(p̄(1−p̄)/n), within 0 and 1; worked by hand: p̄ = 0.1, n = 100: 0.1 ± 0.09; n = 25: 0.1 ± 0.18."""
    basis = Basis(ChartKind.P, 0.1, None, 100)
    large, small = plot(basis, [Sample(size=100, nonconforming=13), Sample(size=25, nonconforming=5)])
    assert (large.limits.lower, large.limits.upper, large.z) == pytest.approx((0.01, 0.19, 1))
    assert (small.limits.lower, small.limits.upper, small.z) == pytest.approx((0, 0.28, 5 / 3))


@pytest.mark.parametrize(("size", "factors"), published.FACTORS.items())
def test_factors_are_the_published_ones(size: int, factors: tuple[float, float, float]) -> None:
    basis = Basis(ChartKind.XBAR_R, 0.0, 1.0, size)
    spread = range_limits(basis)
    assert spread is not None
    assert (location_limits(basis, size).upper, spread.lower, spread.upper) == pytest.approx(factors, abs=2.1e-3)


@pytest.mark.parametrize("size", D2)
def test_d2_and_d3_are_the_moments_of_the_normal_range(size: int) -> None:
    """E[W] = ∫ 1 − Φⁿ − (1−Φ)ⁿ and E[W²] from the distribution of the range, by Simpson's rule."""
    mean, second = range_moments(size)
    assert D2[size] == pytest.approx(mean, abs=6e-4)
    assert D3[size] == pytest.approx(math.sqrt(second - mean**2), abs=1.1e-3)


def range_moments(size: int) -> tuple[float, float]:
    """Of W, whose distribution function is n ∫ φ(x) (Φ(x+w) − Φ(x))ⁿ⁻¹ dx (Tippett 1925)."""

    def cumulative(x: float) -> float:
        return (1 + math.erf(x / math.sqrt(2))) / 2

    def density(x: float) -> float:
        return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    step, half = 0.1, 80
    grid = [step * number for number in range(-half, half + 1)]
    weights = [step / 3 * (1 if number in (0, 2 * half) else 4 if number % 2 else 2) for number in range(2 * half + 1)]
    below = {round(x, 3): cumulative(x) for x in [step * number for number in range(-half, 3 * half)]}
    mean = second = 0.0
    widths, width_weights = [step * number for number in range(101)], weights
    for number, width in enumerate(widths):
        weight = step / 3 * (1 if number in (0, 100) else 4 if number % 2 else 2)
        at_most = size * sum(
            w * density(x) * (below[round(x + width, 3)] - below[round(x, 3)]) ** (size - 1)
            for x, w in zip(grid, width_weights, strict=True)
        )
        mean += weight * (1 - at_most)
        second += weight * 2 * width * (1 - at_most)
    return mean, second


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        (JUICE[:19], "19 checks"),
        ([Sample(size=50)] * 25, "only conforming"),
        ([Sample(size=5, nonconforming=5)] * 25, "only nonconforming"),
    ],
)
def test_a_baseline_tells_what_it_lacks(samples: list[Sample], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        basis_of(ChartKind.P, samples, 50)
    with pytest.raises(ValueError, match="don't vary"):
        basis_of(ChartKind.XBAR_R, [Sample((1.0, 1.0))] * 25, 2)


def test_capability_of_the_piston_rings() -> None:
    basis = basis_of(ChartKind.XBAR_R, PISTONS, 5)
    lower, upper = published.PISTON_SPECIFICATION
    values = [value for sample in PISTONS for value in sample.values]
    found = capability(values, basis.sigma, lower, upper)
    assert (found.within.spread, found.within.centred) == pytest.approx(
        (published.PISTON_CP, published.PISTON_CPK), rel=5e-4
    )
    assert indices(basis.centre, basis.sigma, lower, None).centred == pytest.approx(published.PISTON_CPL, rel=5e-4)
    assert indices(basis.centre, basis.sigma, None, upper).centred == pytest.approx(published.PISTON_CPU, rel=5e-4)
    assert indices(basis.centre, basis.sigma, lower, None).spread is None


def test_performance_takes_the_certified_deviation_of_all_values() -> None:
    """Limits at the certified mean − 3s and + 6s: Pp = 9/6, Ppk = 1, worked by hand."""
    mean, deviation = published.SPEED_MEAN, published.SPEED_DEVIATION
    found = capability(published.SPEED_OF_LIGHT, 1.0, mean - 3 * deviation, mean + 6 * deviation)
    assert (found.mean, found.sigma_overall) == pytest.approx((mean, deviation), rel=1e-12)
    assert (found.overall.spread, found.overall.centred) == pytest.approx((1.5, 1))


def test_no_index_without_a_limit_or_variation() -> None:
    with pytest.raises(ValueError, match="no limit"):
        indices(1, 1, None, None)
    with pytest.raises(ValueError, match="don't vary"):
        indices(1, 0, 0, 2)


# An oracle of its own: each rule as the sources' sentence, over the letters of the zones instead of over numbers.


def zone(z: float) -> str:
    """Upper case above the centre line, lower case below; C, B, A, and X beyond the control limits; - on the line."""
    letter = "CBAX"[sum(abs(z) > edge for edge in (1, 2, 3))]
    return "-" if z == 0 else letter if z > 0 else letter.lower()


def told_by_the_oracle(z: list[float]) -> set[tuple[str, int]]:
    told: set[tuple[str, int]] = set()
    zones = [zone(value) for value in z]
    for end in range(len(z)):
        here = zones[end]

        def last(count: int, end: int = end) -> list[str]:
            return zones[max(0, end - count + 1) : end + 1]

        def counted(letters: str, count: int, here: str = here, end: int = end) -> int:
            mine = letters if here in letters else letters.lower()
            return sum(letter in mine for letter in last(count, end)) if here in mine else 0

        def full_run(letters: str, count: int, end: int = end) -> bool:
            return len(last(count, end)) == count and all(letter in letters for letter in last(count, end))

        window = z[max(0, end - 13) : end + 1]
        fourteen = "".join("u" if b > a else "d" if b < a else "=" for a, b in pairwise(window))
        six = fourteen[-5:] if end >= 5 else ""
        if here in "Xx":
            told |= {("western-electric-1", end), ("nelson-1", end)}
        if counted("AX", 3) >= 2:
            told |= {("western-electric-2", end), ("nelson-5", end)}
        if counted("BAX", 5) >= 4:
            told |= {("western-electric-3", end), ("nelson-6", end)}
        if full_run("CBAX", 8) or full_run("cbax", 8):
            told.add(("western-electric-4", end))
        if full_run("CBAX", 9) or full_run("cbax", 9):
            told.add(("nelson-2", end))
        if six in ("uuuuu", "ddddd"):
            told.add(("nelson-3", end))
        if fourteen in ("ududududududu", "dududududu" + "dud"):
            told.add(("nelson-4", end))
        # |z| = 1 is on the zone's edge: neither within nor beyond
        if end >= 14 and full_run("Cc-", 15) and 1 not in {abs(value) for value in z[end - 14 : end + 1]}:
            told.add(("nelson-7", end))
        if full_run("BAXbax", 8) and len({letter.isupper() for letter in last(8)}) == 2:
            told.add(("nelson-8", end))
    return told


STEPS = st.sampled_from([-3.5, -3, -2.5, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5])
SERIES = st.one_of(
    st.lists(STEPS, max_size=40),
    st.lists(st.sampled_from([-0.9, -0.5, 0, 0.5, 0.9]), min_size=12, max_size=40),
    st.lists(st.sampled_from([-2.5, -1.5, 1.5]), min_size=6, max_size=30),
    st.lists(st.sampled_from([0.5, 1.2]), min_size=6, max_size=30),
    st.tuples(st.booleans(), st.lists(st.floats(0.01, 2), min_size=10, max_size=30)).map(
        lambda drawn: [step * (-1) ** (number + drawn[0]) for number, step in enumerate(drawn[1])]
    ),
    st.lists(st.floats(0.01, 1), min_size=4, max_size=9).map(lambda steps: list(accumulate(steps, initial=-2))),
)


@settings(max_examples=400, deadline=None)
@given(SERIES)
def test_rules_agree_with_the_oracle(series: list[float]) -> None:
    found = {(signal.rule, signal.index) for rule_set in RuleSet for signal in signals(rule_set, series)}
    assert found == told_by_the_oracle(series)


@pytest.mark.parametrize(
    ("rule", "series"),
    [
        ("western-electric-1", [0.1, 3.01]),
        ("western-electric-2", [2.1, 0, 2.1]),
        ("western-electric-3", [-1.1, -1.1, 0.2, -1.1, -1.1]),
        ("western-electric-4", [0.1, 0.3, 0.2, 0.3, 0.2, 0.3, 0.2, 0.3]),
        ("nelson-1", [-3.01]),
        ("nelson-2", [-0.1, -0.3, -0.2, -0.3, -0.2, -0.3, -0.2, -0.3, -0.1]),
        ("nelson-3", [-1.5, -0.9, -0.1, 0.2, 0.3, 0.9]),
        ("nelson-4", [0.5, -0.5] * 7),
        ("nelson-5", [-2.5, 1, -2.5]),
        ("nelson-6", [1.1, 1.1, 0.2, 1.1, 1.1]),
        ("nelson-7", [0.3, 0.3, -0.2] * 5),
        ("nelson-8", [1.1, 1.2, -1.1, -1.2] * 2),
    ],
)
def test_each_rule_tells_its_pattern_and_nothing_before_its_end(rule: str, series: list[float]) -> None:
    rule_set = next(chosen for chosen, rules in RULES.items() if rule in {known.name for known in rules})
    assert (rule, len(series) - 1) in {(signal.rule, signal.index) for signal in signals(rule_set, series)}
    assert rule not in {signal.rule for signal in signals(rule_set, series[:-1])}


def test_limits_are_not_beyond_themselves() -> None:
    assert signals(RuleSet.NELSON, [3.0, -3.0]) == []


def test_every_rule_names_its_source() -> None:
    assert {rule.source for rules in RULES.values() for rule in rules} != {""}
    for rule_set, number in product(RuleSet, range(4)):
        assert RULES[rule_set][number].name == f"{rule_set}-{number + 1}"
