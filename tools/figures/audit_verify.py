"""Audit records that `kojo-mes audit verify` verifies offline in a second."""

from __future__ import annotations

from tools.figures.common import service_benchmark

BAR = 100_000
UNIT = "records/s"


def main() -> None:
    service_benchmark("audit_verify")


if __name__ == "__main__":
    main()
