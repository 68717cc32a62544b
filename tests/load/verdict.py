"""What a steady load's requests say: how many fail at most, and whether a switch made them slower. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.regression import binomial

from tests.load.steady import Request

SURE = 0.95
STEPS = 60  # of a bisection: to 2^-60
BEFORE, AFTER = 1.0, 3.0  # seconds around a commit that are part of the switch
CALM = 5.0  # seconds before those, that it is compared with


def at_most(failures: int, requests: int) -> float:
    """Return the share of failures that isn't exceeded with 95 % confidence: the upper, one-sided bound of Clopper and
    Pearson (Biometrika 26, 1934), about 3 / REQUESTS when there was none."""
    low, high = failures / requests, 1.0
    if failures == requests:
        return 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if middle and binomial(requests, middle, failures) > 1 - SURE else (low, middle)
    return high


def share_below(percent: int, values: Sequence[float]) -> float:
    """Return the value that so many per cent of all are at most (nearest rank). Raises ValueError without any."""
    if not values:
        raise ValueError("of no values there is no percentile")
    return sorted(values)[-(-len(values) * percent // 100) - 1]


def p99(requests: Sequence[Request]) -> float:
    """Return the seconds that 99 % of the requests took at most."""
    return share_below(99, [request.seconds for request in requests])


def around(requests: Iterable[Request], commits: Sequence[float]) -> tuple[list[Request], list[Request]]:
    """Return the requests that were due during a switch, and those just before one. What is both, as a switch came soon
    after another, is during."""
    during, before = [], []
    for request in requests:
        past = [request.at - commit for commit in commits]
        if any(-BEFORE <= seconds < AFTER for seconds in past):
            during.append(request)
        elif any(-BEFORE - CALM <= seconds < -BEFORE for seconds in past):
            before.append(request)
    return during, before
