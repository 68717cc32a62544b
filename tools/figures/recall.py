"""Recall impact of a lot in a genealogy of 1,000,000 edges, p95."""

from __future__ import annotations

from tools.figures.common import emit, service_benchmark

BAR = 200
AIM = 50
UNIT = "ms"


def main() -> None:
    measured = service_benchmark("recall")
    emit("recall", measured.value, UNIT, bar=BAR, better="lower", samples=measured.samples)


if __name__ == "__main__":
    main()
