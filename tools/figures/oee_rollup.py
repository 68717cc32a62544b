"""OEE roll-up of 50 lines over 90 days."""

from __future__ import annotations

from tools.figures.common import emit, service_benchmark

BAR = 1800
AIM = 120
UNIT = "s"


def main() -> None:
    measured = service_benchmark("oee_rollup")
    emit("oee-rollup", measured.value, UNIT, bar=BAR, better="lower", samples=measured.samples)


if __name__ == "__main__":
    main()
