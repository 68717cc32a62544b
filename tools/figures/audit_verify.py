"""Audit records that `kojo-mes audit verify` verifies offline in a second."""

from __future__ import annotations

from tools.figures.common import emit, service_benchmark

BAR = 100_000
UNIT = "records/s"


def main() -> None:
    measured = service_benchmark("audit_verify")
    emit("audit-verify", measured.value, UNIT, bar=BAR, better="higher", samples=measured.samples)


if __name__ == "__main__":
    main()
