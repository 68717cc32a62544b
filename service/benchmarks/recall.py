"""Recall impact in a genealogy of 1,000,000 edges: the slowest of many suppliers' lots, p95.

    .venv-service/bin/python service/benchmarks/recall.py [--recalls 300]

Starts a PostgreSQL of its own (tests/servers.py) and migrates it. The genealogy is that of a plant that mixes much:
20,000 suppliers' lots go through compounds, parts and assemblies into 200,000 serials, each lot made of 2 to 4 others
that are picked from all of its stage's before, so that hardly two ways meet: the widest spread that this number of
edges has. Half of the serials were shipped. A recall is what the API does for one: from the call to the document it
answers, as kojo_app. On standard output is one JSON object, `{"value": milliseconds, "samples": …}`, which
tools/figures/recall.py judges; on standard error is what it saw.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg

SERVICE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SERVICE / "tests"))

import servers  # noqa: E402
from conftest import PLANT_FILE, environment, fields  # noqa: E402

from kojo_mes.kit.database import Database  # noqa: E402
from kojo_mes.kit.settings import ApiSettings, MigrationSettings  # noqa: E402
from kojo_mes.lines.plant import read_plant  # noqa: E402
from kojo_mes.migrate import migrate  # noqa: E402
from kojo_mes.traceability import genealogy  # noqa: E402
from kojo_mes.traceability.schemas import Recall  # noqa: E402

EDGES = 1_000_000
WARM_UP = 20
BUFFERS = "512MB"  # what the genealogy and its indexes take, as on a database host
NAME = "kojo_recall"
LOADED = ("lot", "material_movement")


class Stage(NamedTuple):
    """Lots of one kind, each made of `inputs` lots of the stage before."""

    name: str
    lots: int
    inputs: int


STAGES = (
    Stage("RAW", 20_000, 0),
    Stage("COMPOUND", 30_000, 4),
    Stage("PART", 60_000, 3),
    Stage("ASSEMBLY", 100_000, 3),
    Stage("SERIAL", 200_000, 2),
)


def lot_id(stage: Stage, number: int) -> str:
    return f"{stage.name}-{number:06}"


def edges(dice: random.Random) -> Iterator[tuple[str, str]]:
    for before, stage in itertools.pairwise(STAGES):
        for number in range(stage.lots):
            for source in dice.sample(range(before.lots), stage.inputs):
                yield lot_id(before, source), lot_id(stage, number)


def build(connection: psycopg.Connection, dice: random.Random) -> int:
    """Past the triggers, which book edge by edge; the graph is made so that they had nothing to refuse."""
    connection.execute("SET session_replication_role = replica")
    for table in LOADED:
        connection.execute(f"ALTER TABLE mes.{table} DISABLE TRIGGER ALL".encode())
    connection.execute("INSERT INTO mes.product (id, name) VALUES ('thing', '{}')")
    last = STAGES[-1]
    with connection.cursor().copy(
        "COPY mes.lot (id, kind, product_id, unit, supplier, supplier_lot, state, on_hand, shipped, released_at,"
        " signed_version, reviewed_by, reviewer_role, released_by) FROM STDIN"
    ) as copy:
        signed = ("2026-01-05T00:00:00Z", 1, "someone", "quality_manager", "someone")
        for stage in STAGES:
            for number in range(stage.lots):
                final = stage is last
                shipped = int(final and number % 2 == 0)
                state = "consumed" if not final else "shipped" if shipped else "released"
                kind = "serial" if final else "lot"
                stock = int(final and not shipped)
                copy.write_row((lot_id(stage, number), kind, "thing", "pcs", "s", "s", state, stock, shipped, *signed))
    count = 0
    with connection.cursor().copy(
        "COPY mes.material_movement (id, kind, lot_id, into_lot_id, quantity, unit, time, consignee, delivery,"
        " recorded_by, lot_version, into_version, late_entry_reason) FROM STDIN"
    ) as copy:
        when = "2026-01-05T00:00:00Z"
        for count, (source, target) in enumerate(edges(dice), start=1):
            copy.write_row((f"e{count:07}", "consumed", source, target, 1, "pcs", when, None, None, "b", 1, 1, "b"))
        for number in range(0, last.lots, 2):
            delivery = f"D-{number // 20:05}"
            row = (f"s{number:07}", "shipped", lot_id(last, number), None, 1, "pcs", when, "Sato KK", delivery)
            copy.write_row((*row, "b", 1, None, "b"))
    for table in LOADED:
        connection.execute(f"ALTER TABLE mes.{table} ENABLE TRIGGER ALL".encode())
        connection.execute(f"VACUUM (ANALYZE) mes.{table}".encode())
    return count


async def recalls(settings: ApiSettings, lots: list[str]) -> tuple[list[float], list[int]]:
    """Milliseconds, and how many lots and serials each recall names."""
    database = Database(settings)
    times, sizes = [], []
    try:
        for lot in lots:
            started = time.perf_counter()
            answer = await database.read(lambda session, lot=lot: genealogy.recall(session, lot))  # type: ignore[misc]
            times.append((time.perf_counter() - started) * 1000)
            sizes.append(len(Recall.model_validate_json(answer).affected))
    finally:
        await database.close()
    return times[WARM_UP:], sizes[WARM_UP:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recalls", type=int, default=300, help="how many lots are recalled (default: %(default)s)")
    options = parser.parse_args()
    dice = random.Random(8)  # noqa: S311  # the same graph each time
    with servers.postgres(shared_buffers=BUFFERS) as server:
        server.create(NAME)
        variables = fields(environment(server, NAME))
        migrate(MigrationSettings(**variables), read_plant(PLANT_FILE))
        with server.connect(NAME) as connection:
            count = build(connection, dice)
        if count != EDGES:
            raise SystemExit(f"recall: the graph has {count} edges, not {EDGES}")
        lots = [lot_id(STAGES[0], dice.randrange(STAGES[0].lots)) for _ in range(options.recalls + WARM_UP)]
        times, sizes = asyncio.run(recalls(ApiSettings(**variables), lots))
    p95 = statistics.quantiles(times, n=100)[94]
    print(
        f"median {statistics.median(times):.1f} ms, p95 {p95:.1f} ms, slowest {max(times):.1f} ms;"
        f" {min(sizes)} to {max(sizes)} lots and serials a recall",
        file=sys.stderr,
    )
    print(json.dumps({"value": round(p95, 1), "samples": len(times)}))


if __name__ == "__main__":
    main()
