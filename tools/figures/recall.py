"""Recall impact of a lot in a genealogy of 1,000,000 edges, p95."""

from __future__ import annotations

from tools.figures.common import service_benchmark

BAR = 200
AIM = 50
UNIT = "ms"


def main() -> None:
    service_benchmark("recall")


if __name__ == "__main__":
    main()
