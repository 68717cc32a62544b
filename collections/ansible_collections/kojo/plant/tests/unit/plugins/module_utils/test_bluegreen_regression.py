"""What the watch's arithmetic promises, on simulated watches: how often it errs, and how soon it sees."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.regression import (
    Limits,
    Regression,
    at_most,
    binomial,
)
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.traffic import Traffic

LOOKS = 60
KNOWN = Traffic(10**8, 10**6)  # a rate of 1 % that is known well: what may be is hardly more


def failed(chance: random.Random, requests: int, rate: float, looks: int) -> list[int]:
    """How many of REQUESTS fail, look by look, independently of each other."""
    weights = [math.comb(requests, k) * rate**k * (1 - rate) ** (requests - k) for k in range(requests + 1)]
    return chance.choices(range(requests + 1), weights, k=looks)


def watches(
    seed: int, count: int, requests: int, rate: float, before: Callable[[random.Random], Traffic], limits: Limits
) -> list[tuple[int, float]]:
    """Of each watch, the look that found the new colour worse (0: none did), and its beta."""
    chance = random.Random(seed)  # noqa: S311
    found = []
    for _ in range(count):
        trial, seen = Regression(limits, LOOKS, before(chance)), 0
        for look, bad in enumerate(failed(chance, requests, rate, LOOKS), 1):
            if trial.look(Traffic(requests, bad), Traffic()):
                seen = look
                break
        found.append((seen, trial.beta))
    return found


@pytest.mark.parametrize("alpha", [0.001, 0.1])
@pytest.mark.parametrize("rate", [0.0, 0.01])
def test_of_equal_colours_no_more_than_alpha_are_returned(rate: float, alpha: float) -> None:
    def measured(chance: random.Random) -> Traffic:
        return Traffic(6000, sum(failed(chance, 200, rate, 30)))

    found = watches(1, 200, 200, rate, measured, Limits(alpha=alpha))
    assert sum(seen > 0 for seen, _ in found) <= alpha * len(found)


def test_alpha_holds_at_the_very_rate_that_may_be() -> None:
    limits = Limits(alpha=0.2)
    allowed = at_most(KNOWN, math.log(2 * LOOKS / limits.alpha))
    assert allowed == pytest.approx(0.01, rel=0.02)
    found = watches(2, 400, 200, allowed, lambda _: KNOWN, limits)
    assert sum(seen > 0 for seen, _ in found) <= limits.alpha * len(found)


@pytest.mark.parametrize("before", [Traffic(6000), Traffic(6000, 60), Traffic(100), Traffic()])
def test_twenty_per_cent_are_seen_within_five_seconds(before: Traffic) -> None:
    found = watches(3, 200, 200, 0.2, lambda _: before, Limits())
    assert all(0 < seen <= 5 for seen, _ in found)


def test_a_regression_is_missed_no_more_often_than_told() -> None:
    """At the tolerance, and with so few requests that some are missed."""
    found = watches(4, 300, 20, 0.03, lambda _: KNOWN, Limits())
    missed = [beta for seen, beta in found if not seen]
    assert missed, "too much traffic to miss any: this proves nothing"
    assert len(missed) / len(found) <= missed[0] < 0.5


def test_a_colour_that_goes_bad_late_is_seen_as_soon() -> None:
    trial = Regression(Limits(), LOOKS, KNOWN)
    assert not any(trial.look(Traffic(200, 2), Traffic()) for _ in range(50))
    seen = [bool(trial.look(Traffic(200, 40), Traffic())) for _ in range(5)]
    assert seen.index(True) <= 3


def test_one_bad_second_says_nothing() -> None:
    trial = Regression(Limits(), LOOKS, KNOWN)
    seconds = [0] * 10 + [200] + [0] * 10 + [200, 200] + [0] * 10
    assert not any(trial.look(Traffic(200, bad), Traffic()) for bad in seconds)


def test_nothing_is_said_before_a_hundred_requests() -> None:
    trial = Regression(Limits(), LOOKS, Traffic(6000))
    seen = [bool(trial.look(Traffic(9, 9), Traffic())) for _ in range(12)]
    assert seen == [False] * 11 + [True]


@pytest.mark.parametrize(("known", "seen"), [(1000, False), (100_000, True)])
def test_a_baseline_that_says_little_lets_more_pass(known: int, seen: bool) -> None:
    """0.75 % fail. The exact bound, when none of n failed, is the p with (1 - p)^n = delta."""
    delta = Limits().alpha / 2 / LOOKS
    assert at_most(Traffic(known), -math.log(delta)) == pytest.approx(1 - delta ** (1 / known), rel=1e-6)
    trial = Regression(Limits(), LOOKS, Traffic(known))
    assert any(trial.look(Traffic(200, bad), Traffic()) for bad in [1, 2] * 30) is seen


def test_during_a_canary_the_old_colour_is_seen_living() -> None:
    """A fault that both share is not the new colour's."""
    trial, alone = (Regression(Limits(), LOOKS, Traffic(600)) for _ in range(2))
    assert not any(trial.look(Traffic(40, 2), Traffic(160, 8)) for _ in range(60))
    assert any(alone.look(Traffic(40, 2), Traffic()) for _ in range(60))


@pytest.mark.parametrize(("before", "fails"), [(Traffic(6000, 600), True), (Traffic(6000, 60), False)])
def test_an_old_colour_that_fails_too_often_is_known(before: Traffic, fails: bool) -> None:
    assert Regression(Limits(), LOOKS, before).old_fails is fails


def test_the_chance_of_at_most() -> None:
    told = [math.comb(20, k) * 0.3**k * 0.7 ** (20 - k) for k in range(21)]
    assert [binomial(20, 0.3, most) for most in (-1, 0, 5, 20, 30)] == pytest.approx(
        [0, told[0], sum(told[:6]), 1, 1], abs=1e-12
    )


class Average:
    """HAProxy's, of times in milliseconds (freq_ctr.h, swrate_add): a sum that loses 1/512 with each request."""

    def __init__(self, first: float) -> None:
        self._sum = first * 512

    def add(self, times: list[float]) -> float:
        for one in times:
            self._sum += one - self._sum / 512
        return float(int(self._sum / 512))


def slow_at(seed: int, usual: float, later: float, since: int = 1) -> int:
    """The look at which a colour is too slow (0: none); its times are lognormal, 1 % of them near 2 s."""
    chance = random.Random(seed)  # noqa: S311
    average = Average(usual)
    trial = Regression(Limits(), LOOKS, Traffic(6000, 0, 0, usual * 1.65 + 20))
    for look in range(1, LOOKS + 1):
        middle = math.log(later if look >= since else usual)
        times = [2000.0 if chance.random() < 0.01 else chance.lognormvariate(middle, 1.0) for _ in range(100)]
        if "ms on average" in trial.look(Traffic(100, 0, 0, average.add(times)), Traffic()):
            return look
    return 0


def test_equal_times_are_not_called_slow() -> None:
    """Their mean, which the old colour was seen to take, is 1.65 times their median, and 20 ms for those of 2 s."""
    assert sum(slow_at(seed, 20, 20) > 0 for seed in range(200)) == 0


def test_slow_times_are_seen() -> None:
    assert all(0 < slow_at(seed, 20, 120) <= 20 for seed in range(10))
    assert all(30 < slow_at(seed, 20, 120, since=31) <= 45 for seed in range(10))


def test_a_colour_that_was_slow_in_its_earlier_life_is_not() -> None:
    average = Average(1000)
    trial = Regression(Limits(), LOOKS, Traffic(6000, 0, 0, 10))
    assert not any(trial.look(Traffic(200, 0, 0, average.add([10.0] * 200)), Traffic()) for _ in range(60))


def test_counters_that_go_back_began_anew() -> None:
    before = Traffic(1000, 20, 3, 12)
    assert Traffic(1200, 25, 3, 14).since(before) == Traffic(200, 5, 0, 14)
    assert Traffic(30, 1, 0, 9).since(before) == Traffic(30, 1, 0, 9)
    assert Traffic(1100, 4, 0, 9).since(before) == Traffic(1100, 4, 0, 9)
    assert Traffic(1001, 90, 3, 9).since(before).failures == 1, "never more than there were requests"
