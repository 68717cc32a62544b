# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""What a colour answered: counted by HAProxy, on one edge or summed over all, since it began or between two looks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Traffic:
    """REQUESTS that were answered, by the colour or for it; of these FAILURES, with 5xx or cut off; CONNECTION_ERRORS,
    tried again or not; RESPONSE_MS: the time until the answer began, HAProxy's average of the last 1000 or so."""

    requests: int = 0
    failures: int = 0
    connection_errors: int = 0
    response_ms: float = 0.0

    @property
    def ratio(self) -> float:
        return self.failures / self.requests if self.requests else 0.0

    def __add__(self, other: Traffic) -> Traffic:
        requests = self.requests + other.requests
        weighed = self.response_ms * self.requests + other.response_ms * other.requests
        return Traffic(
            requests,
            self.failures + other.failures,
            self.connection_errors + other.connection_errors,
            weighed / requests if requests else 0.0,
        )

    def since(self, before: Traffic) -> Traffic:
        """What came after BEFORE. Counters that went back began anew: then all of them did."""
        if self.requests < before.requests or self.failures < before.failures:
            return self
        requests = self.requests - before.requests
        return Traffic(
            requests,
            min(requests, self.failures - before.failures),
            max(0, self.connection_errors - before.connection_errors),
            self.response_ms,
        )
