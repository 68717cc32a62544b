"""OEE roll-up of 50 lines over 90 days."""

from __future__ import annotations

from tools.figures.common import service_benchmark

BAR = 1800
AIM = 120
UNIT = "s"


def main() -> None:
    service_benchmark("oee_rollup")


if __name__ == "__main__":
    main()
