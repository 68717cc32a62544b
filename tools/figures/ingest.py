"""Readings that one API host acknowledges a second, each durable on two database hosts: batches of 500, five minutes.

Four gateways, a connection each, TLS with client certificates, from an edge straight to an API host's own port: the
virtual address would spread them over both. Afterwards the database is counted, by machine and by sequence number: an
acknowledged reading that isn't there, or is there twice, is no figure, nor is a process whose memory still grows after
a minute's warm-up (by more than a tenth), nor a cluster without a synchronous standby.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.faults.lab import Lab
from tests.load import sender
from tests.load.api import Api
from tests.load.remote import require_synchronous, sql, start
from tests.load.shopfloor import LINE, MACHINES, own_line, sensors
from tests.plant.inventory import load_plant
from tools.figures.common import Unmeasurable, emit, inventory, running_plant

BAR = 10_000
AIM = 25_000
UNIT = "readings/s"
SECONDS = 300
INTERVAL = 15
WARM_UP = 60
GROWTH = 0.1
BATCH = 500
PKI = "/etc/kojo/pki"
# within a gateway's first and last acknowledged time: what was sent later may be there, or not
STORED = """
    SELECT count(*) FROM mes.reading JOIN mes.sensor ON sensor.id = sensor_id
    WHERE sensor.name LIKE :'machine' || '.%'
        AND time BETWEEN timestamptz 'epoch' + :first * interval '1 microsecond'
                     AND timestamptz 'epoch' + :last * interval '1 microsecond'
"""
NUMBERS = "SELECT received, missing, duplicates FROM mes.reading_source WHERE source = :'source'"

Tallies = Mapping[str, Mapping[str, Any]]


def faults(tallies: Tallies, stored: Mapping[str, int], numbers: Mapping[str, list[str]]) -> list[str]:
    """What the database doesn't have as it was acknowledged: by source, `stored` readings, and [received, missing,
    duplicates] of its sequence numbers."""
    found = []
    for source, tally in tallies.items():
        acknowledged = tally["readings"]
        if tally["gave_up"]:
            found.append(f"{source} gave up: {tally['gave_up']}")
        if lost := acknowledged - stored[source]:
            found.append(f"{source}: {acknowledged} acknowledged, {stored[source]} stored: {lost} lost")
        received, missing, duplicates = numbers[source]
        if not tally["gave_up"] and (int(received), missing, int(duplicates)) != (acknowledged, "[]", 0):
            found.append(f"{source}: {received} received, {missing} missing, {duplicates} duplicates in its numbers")
    return found


def run(lab: Lab, api: Api) -> tuple[Tallies, float, float]:
    """Send for SECONDS; return the tallies, the rate, and the growth of the process since it was warm, as a ratio."""
    run_id = f"{time.time():.0f}"
    job = {
        "address": api.address,
        "port": api.port,
        "key": lab.plant.secrets["mes_simulator_key"],
        "ca": f"{PKI}/ca.crt",
        "certificate": f"{PKI}/host.crt",
        "certificate_key": f"{PKI}/host.key",
        "seconds": SECONDS,
        "interval": INTERVAL,
        "batch": BATCH,
        "sources": {f"{LINE}-{run_id}-{machine}": sensors(machine) for machine in range(1, MACHINES + 1)},
    }
    warm, told, before = 0.0, {}, (0.0, 0)
    with start(lab.plant, lab.plant.groups["edge"][-1], Path(sender.__file__), job) as process:
        assert process.stdout
        print(f"at the start {api.memory():.0f} MiB")
        for line in process.stdout:
            told, memory = json.loads(line), api.memory()
            seconds, count = told["seconds"], sum(tally["readings"] for tally in told["sources"].values())
            if seconds >= WARM_UP and not warm:
                warm = memory
            if seconds - before[0] > 1:
                rate = (count - before[1]) / (seconds - before[0])
                print(f"{seconds:4.0f} s: {rate:6.0f}/s, {memory:.0f} MiB, load {os.getloadavg()[0]:.1f}", flush=True)
            before = seconds, count
    if process.returncode or not warm:
        raise Unmeasurable(f"ingest: the sender ended early, exit code {process.returncode}")
    return told["sources"], before[1] / before[0], memory / warm - 1


def main() -> None:
    with running_plant():
        lab = Lab.of(load_plant(inventory()))
        require_synchronous(lab)
        with own_line(lab):
            tallies, rate, growth = run(lab, Api(lab, lab.plant.groups["app"][0]))
            stored, numbers = {}, {}
            for machine, (source, tally) in enumerate(tallies.items(), 1):
                limits = {"first": tally["first"], "last": tally["last"]}
                stored[source] = int(sql(lab, STORED, machine=f"{LINE}-{machine}", **limits)[0][0])
                (numbers[source],) = sql(lab, NUMBERS, source=source)
    acknowledged, again = (sum(tally[what] for tally in tallies.values()) for what in ("readings", "failures"))
    slowest = max(tally["slowest"] for tally in tallies.values())
    print(f"{acknowledged} acknowledged, {again} batches sent again, slowest {slowest:.2f} s, memory {growth:+.1%}")
    if found := faults(tallies, stored, numbers):
        raise Unmeasurable("ingest: " + "; ".join(found))
    if growth > GROWTH:
        raise Unmeasurable(f"ingest: the process grew by {growth:.1%} after its warm-up; {GROWTH:.0%} are allowed")
    emit("ingest", round(rate), UNIT, bar=BAR, better="higher")


if __name__ == "__main__":
    main()
