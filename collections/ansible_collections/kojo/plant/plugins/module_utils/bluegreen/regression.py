# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Whether a colour does worse than the other one: arithmetic only, fed once a second (a look).

Failures: Wald's sequential probability ratio test (Annals of Mathematical Statistics 16, 1945, pp. 117-186), begun anew
at each look as Page does (Biometrika 41, 1954, pp. 100-115), so that a colour that goes bad late is seen as soon. H0:
it fails at the rate p0; H1: at p1. A look with n requests, f of them failed, adds to the score S, which begins at 0:

    x = f ln(p1 / p0) + (n - f) ln((1 - p1) / (1 - p0))    S = max(0, S + min(x, h / 3))    h = ln(2 looks / alpha)

At S >= h the colour is worse. While its true rate is at most p0, each of the `looks` tests reaches h with a chance of
at most exp(-h) (Ville's inequality; Wald's own bound, ln((1 - beta) / alpha), is approximate), so all of them together
with at most alpha / 2. A look adds no more than h / 3: one bad second alone says nothing.

p0 is the old colour's rate, known from N requests, F failed: the greatest p with N KL(F / N || p) <= h (Chernoff's
bound), which is too low with a chance of at most alpha / 2 over all looks. It is never below `floor` nor above `most`.
p1 = p0 + tolerance. So a watch of a colour that fails no more than the old one ends falsely with a chance of at most
alpha, if requests fail independently of each other and the old colour's rate is at most `most`.

Latency: HAProxy tells an average to which each request adds 1/512 of its own time (src/stream.c, TIME_STATS_SAMPLES):
after a step, 63 % of it are seen after 512 requests and 86 % after 1024, which is what its manual calls the average of
the last 1024. The colour is worse when that average is beyond the bound for some seconds in a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .traffic import Traffic

SETTLED = 1024  # requests after which HAProxy's average is no longer that of the colour's earlier life
BAD_LOOKS = 3  # at least so many looks make a colour worse


@dataclass(frozen=True)
class Limits:
    """ALPHA: chance of a false alarm in a whole watch. TOLERANCE, FLOOR, MOST: shares of failed requests (see above).
    LEAST: requests before a colour is called worse. The average time to an answer may be up to FACTOR times the old
    colour's, or EXTRA_MS milliseconds more, whichever is longer; SLOW: for fewer seconds in a row than this."""

    alpha: float = 0.001
    tolerance: float = 0.02
    floor: float = 0.001
    most: float = 0.05
    least: int = 100
    factor: float = 2.0
    extra_ms: float = 50.0
    slow: int = 5


def divergence(found: float, true: float) -> float:
    """Kullback and Leibler's, of two chances, in nats."""
    parts = ((found, true), (1 - found, 1 - true))
    return sum(a * math.log(a / b) for a, b in parts if a > 0)


def at_most(traffic: Traffic, h: float) -> float:
    """The rate of failures that TRAFFIC hardly exceeds: a true one above it has a chance of at most exp(-H)."""
    low, high = traffic.ratio, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if middle < 1 and traffic.requests * divergence(traffic.ratio, middle) <= h:
            low = middle
        else:
            high = middle
    return high


def binomial(n: int, p: float, most: int) -> float:
    """The chance of at most MOST of N, at P each."""
    each = (
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p)
        for k in range(min(most, n) + 1)
    )
    return min(1.0, math.fsum(math.exp(one) for one in each))


class Regression:
    """One watch of LOOKS looks. BEFORE: what the old colour did before it. NEW and OLD grow: what each did since."""

    def __init__(self, limits: Limits, looks: int, before: Traffic) -> None:
        self.new, self.old = Traffic(), Traffic()
        self._limits, self._before = limits, before
        self._h = math.log(2 * looks / limits.alpha)
        self._score, self._slow = 0.0, 0
        self._allow()

    def look(self, new: Traffic, old: Traffic) -> str:
        """What both did since the last look. Returns why the new colour is worse, or an empty string."""
        self.new, self.old = self.new + new, self.old + old
        self._allow()
        self._score = max(0.0, self._score + min(self._evidence(new), self._h / BAD_LOOKS))
        bound = self._slow_from(old)
        if new.requests and bound is not None and self.new.requests >= SETTLED:
            self._slow = self._slow + 1 if new.response_ms > bound else 0
        if self.new.requests < self._limits.least:
            return ""
        if self._score >= self._h:
            return f"{self.new.failures} of {self.new.requests} requests failed; {self._p0:.2%} may"
        if bound is not None and self._slow >= self._limits.slow:
            return f"answers take {new.response_ms:.0f} ms on average for {self._slow} s; {bound:.0f} ms may be"
        return ""

    @property
    def leans(self) -> bool:
        """Whether the new colour failed more often than it may, proven or not."""
        return self.new.requests >= self._limits.least and self.new.ratio > self._p0

    @property
    def old_fails(self) -> bool:
        """Whether the old colour fails too often itself."""
        known = self._before + self.old
        return known.requests >= self._limits.least and known.ratio > self._limits.most

    @property
    def beta(self) -> float:
        """At most the chance that a colour which failed at p1 all along was let pass: that so few of its requests fail
        that one test over all of them stays below h. That a look adds no more than h / 3 is left out of it."""
        if self.new.requests < self._limits.least:
            return 1.0
        bad, good = self._weights
        return binomial(self.new.requests, self._p1, math.ceil((self._h - self.new.requests * good) / (bad - good)) - 1)

    def _allow(self) -> None:
        limits = self._limits
        self._p0 = min(limits.most, max(limits.floor, at_most(self._before + self.old, self._h)))
        self._p1 = self._p0 + limits.tolerance

    @property
    def _weights(self) -> tuple[float, float]:
        """Of a failed request and of a good one."""
        return math.log(self._p1 / self._p0), math.log((1 - self._p1) / (1 - self._p0))

    def _evidence(self, new: Traffic) -> float:
        """x"""
        bad, good = self._weights
        return new.failures * bad + (new.requests - new.failures) * good

    def _slow_from(self, old: Traffic) -> float | None:
        """The bound of the average in milliseconds, by the old colour's: now, if it serves; otherwise as it was."""
        known = old if old.requests else self._before
        if not known.requests:
            return None
        return max(known.response_ms * self._limits.factor, known.response_ms + self._limits.extra_ms)
