"""Rate of audited writes against the same writes without their audit row: 16 writers, synchronous standby.

Both on the plant's cluster, from an app host, by the service's own code, in turn: three seconds each, thirty times,
each first in every other round, so that a machine that gets busier slows both. The median round's ratio.
"""

from __future__ import annotations

import json
import os
import statistics

from tests.faults.lab import Lab
from tests.load.remote import require_synchronous, sql, start
from tests.plant.inventory import load_plant
from tools.figures.common import ROOT, Unmeasurable, emit, inventory, running_plant

BAR = 0.7
AIM = 0.85
UNIT = "of the rate"
WRITERS = 16
ROUNDS = 30
SECONDS = 3
PROGRAM = ROOT / "service/benchmarks/audit_writers.py"
UP = """
DROP TABLE IF EXISTS mes.load_test;
CREATE TABLE mes.load_test (id text PRIMARY KEY, content jsonb NOT NULL, stored_at timestamptz NOT NULL DEFAULT now());
GRANT INSERT ON mes.load_test TO kojo_app;
"""
# the audit rows stay, as they must
DOWN = "DROP TABLE mes.load_test; DELETE FROM mes.idempotency_key WHERE client = 'load-test'"
# as /usr/local/sbin/kojo-mes does: the service's settings, its user, its program
AS_SERVICE = (
    "set -a; . /etc/kojo-mes/kojo-mes.env; HOME=/nonexistent; set +a; "
    "exec setpriv --reuid=kojo-mes --regid=kojo-mes --groups=kojo-tls --no-new-privs "
    "/opt/kojo-mes/current/bin/python"
)


def main() -> None:
    ratios = []
    with running_plant():
        plant = load_plant(inventory())
        lab = Lab.of(plant)
        require_synchronous(lab)
        sql(lab, UP)
        try:
            job = {"writers": WRITERS, "rounds": ROUNDS, "seconds": SECONDS}
            with start(plant, plant.groups["app"][0], PROGRAM, job, AS_SERVICE) as process:
                assert process.stdout
                for line in process.stdout:
                    rates = json.loads(line)
                    ratios.append(rates["audited"] / rates["plain"])
                    told = f"plain {rates['plain']:.0f}/s, audited {rates['audited']:.0f}/s: {ratios[-1]:.2f}"
                    print(f"{told}, load {os.getloadavg()[0]:.1f}", flush=True)
        finally:
            sql(lab, DOWN)
    if process.returncode or len(ratios) != ROUNDS:
        raise Unmeasurable(f"audit-cost: the writers ended early, exit code {process.returncode}")
    emit("audit-cost", round(statistics.median(ratios), 3), UNIT, bar=BAR, better="higher", samples=ROUNDS)


if __name__ == "__main__":
    main()
