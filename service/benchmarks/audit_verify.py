"""How many audit records a second `kojo-mes audit verify` checks: one process, an export of a plant's usual events.

On standard output is one JSON object, `{"value": records a second, "samples": …}`, which tools/figures/audit_verify.py
judges. Arguments: records (default 300000), records a seal (default 500).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kojo_mes.audit import records
from kojo_mes.audit.findings import Report
from kojo_mes.audit.records import FIRST_PREVIOUS, Event
from kojo_mes.audit.trail import check_trail
from kojo_mes.kit.keys import Keys, Signer

SAMPLES = 3


def event(number: int, at: datetime) -> Event:
    """A change of a lot as the service records it, about 500 bytes."""
    return Event(
        id=number,
        at=at,
        xid=number,
        source="service",
        actor_kind="person",
        actor_id="0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d10",
        actor_name="工場 花子",
        actor_roles=["operator"],
        action="lots:consume",
        record_type="lot",
        record_id=f"L-2026-{number:06}",
        record_version=3,
        old='{"state": "released", "quantity": "120.000"}',
        new='{"state": "consumed", "quantity": "0.000", "order": "WO-2026-0042"}',
        reason=None,
        request_id="5b0c8a1e-5d0e-4b43-b7c4-8a1f4f3c2b1a",
    )


def write(path: Path, signer: Signer, count: int, batch: int) -> None:
    at, previous = datetime(2026, 1, 5, tzinfo=UTC), FIRST_PREVIOUS
    with path.open("wb") as file:
        for number, start in enumerate(range(1, count + 1, batch), 1):
            at += timedelta(seconds=1)
            events = [event(index, at) for index in range(start, min(start + batch, count + 1))]
            seal = records.seal(signer, number, previous, events, at)
            previous = seal.hash
            file.write(seal.line() + b"\n")
            file.writelines(item.line() + b"\n" for item in events)


def main() -> None:
    count, batch = (int(value) for value in (sys.argv[1:3] + ["300000", "500"][len(sys.argv) - 1 :]))
    key = Ed25519PrivateKey.generate()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "events.jsonl"
        write(path, Signer(key), count, batch)
        best = 0.0
        for _ in range(SAMPLES):
            report, started = Report(), time.perf_counter()
            check_trail(path, Keys([key.public_key()]), report)
            best = max(best, report.events / (time.perf_counter() - started))
    print(json.dumps({"value": round(best), "samples": SAMPLES}))


if __name__ == "__main__":
    main()
