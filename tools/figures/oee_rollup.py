"""OEE roll-up of 50 lines over 90 days."""

from __future__ import annotations

from tools.figures.common import service_benchmark

BAR = 30
AIM = 2
UNIT = "min"


def main() -> None:
    service_benchmark("oee_rollup")


if __name__ == "__main__":
    main()
