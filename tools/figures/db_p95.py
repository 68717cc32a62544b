"""p95 of the API's database statements under the mixed load of api-mix, as long as the service waits for them.

From the service's own histogram (`manufacturing_db_statement_duration_seconds`) of both API hosts, what was added
from the first login on: executed statements, COPY, and COMMIT, which waits for the synchronous standby. Network and the
process's own queue are in it, so PostgreSQL itself is faster. Between two edges it is interpolated, as by Prometheus.
"""

from __future__ import annotations

from tests.load.api import quantile
from tools.figures.api_mix import measure
from tools.figures.common import emit

BAR = 50
AIM = 15
UNIT = "ms"


def main() -> None:
    statements = measure().statements
    print(*(f"up to {edge * 1000:g} ms: {count}" for edge, count in sorted(statements.items())), sep="\n")
    emit("db-p95", round(quantile(0.95, statements) * 1000, 1), UNIT, bar=BAR, better="lower")


if __name__ == "__main__":
    main()
