"""OEE roll-up of 50 lines over 90 days: all stored figures made from the raw records, line by line.

    .venv-service/bin/python service/benchmarks/oee_rollup.py [--lines 50] [--days 90]

Starts a PostgreSQL of its own (tests/servers.py) and migrates it. Each line works three shifts a day and changes from
one product to another in each; it stops about every ten minutes, now for seconds, now for half an hour, and counts
every ten minutes. What is measured is what POST /api/v1/oee/rollups does: as kojo_app, raw records read, figures of
each shift over all products and by product computed and stored, an audit row, COMMIT. Afterwards the stored units are
compared with the counted ones, and one line is made anew to see that nothing changes: a wrong figure is no figure.
On standard output is one JSON object, `{"value": seconds, "samples": 1}`, which tools/figures/oee_rollup.py judges; on
standard error is what it saw.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

SERVICE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SERVICE / "tests"))

import servers  # noqa: E402
from conftest import environment, fields  # noqa: E402

from kojo_mes.kit.database import Database, WriteSession  # noqa: E402
from kojo_mes.kit.settings import ApiSettings, MigrationSettings  # noqa: E402
from kojo_mes.lines.plant import Plant  # noqa: E402
from kojo_mes.migrate import migrate  # noqa: E402
from kojo_mes.oee import service as oee  # noqa: E402
from kojo_mes.oee.schemas import RollUpOut  # noqa: E402

DEADLINE = 1800.0  # seconds a line
NAME = "kojo_oee"
PRODUCTS = ("housing-100", "housing-200")
SHIFT = timedelta(hours=8)
COUNTED_EVERY = timedelta(minutes=10)
CYCLE, PACE = 4.0, 0.93  # seconds a unit, and the share of the ideal pace that the lines reach
LOADED = ("shift", "line_state", "production_count")


class State(NamedTuple):
    start: datetime
    end: datetime
    state: str
    reason: str | None
    product: str


def plant(lines: int) -> Plant:
    return Plant.model_validate(
        {
            "id": "plant_b",
            "name": {"en": "Benchmark"},
            "language": "en",
            "timezone": "UTC",
            "lines": [
                {
                    "id": f"line-{number}",
                    "name": {"en": f"Line {number}"},
                    "product": PRODUCTS[number % 2],
                    "ideal_cycle_time": CYCLE,
                    "micro_stop_limit": 120,
                    "equipment": [{"id": f"press-{number}", "name": {"en": "Press"}, "type": "press"}],
                }
                for number in range(lines)
            ],
        }
    )


def states(start: datetime, dice: random.Random) -> Iterator[State]:
    """Of one shift: a break, a changeover to the other product halfway, and stops."""
    half, end, moment, product = start + SHIFT / 2, start + SHIFT, start, PRODUCTS[0]
    while moment < end:
        if moment >= half and product == PRODUCTS[0]:
            product = PRODUCTS[1]
            yield State(moment, moment := min(end, moment + timedelta(minutes=35)), "planned_stop", "break", product)
            yield State(moment, moment := min(end, moment + timedelta(minutes=15)), "changeover", "product", product)
        seconds = dice.expovariate(1 / 600) + 1
        yield State(moment, moment := min(end, moment + timedelta(seconds=seconds)), "running", None, product)
        if moment < end:
            seconds = min(1800.0, dice.expovariate(1 / 90) + 1)
            yield State(
                moment, moment := min(end, moment + timedelta(seconds=seconds)), "unplanned_stop", "jam", product
            )


def counts(start: datetime, day: list[State], dice: random.Random) -> Iterator[tuple[Any, ...]]:
    """Every ten minutes, of each product that ran in them."""
    for number in range(SHIFT // COUNTED_EVERY):
        begin = start + number * COUNTED_EVERY
        end = begin + COUNTED_EVERY
        for product in PRODUCTS:
            ran = sum(
                max(0.0, (min(end, state.end) - max(begin, state.start)).total_seconds())
                for state in day
                if state.state == "running" and state.product == product
            )
            if ran:
                made = int(ran * PACE / CYCLE)
                scrap = sum(dice.random() < 0.01 for _ in range(made))
                yield product, begin, end, made - scrap, scrap, 0


def load(connection: psycopg.Connection, lines: int, first: datetime, days: int, dice: random.Random) -> None:
    """Past the triggers, which audit row by row; CHECK, UNIQUE and EXCLUDE hold as always."""
    for table in LOADED:
        connection.execute(f"ALTER TABLE mes.{table} DISABLE TRIGGER ALL".encode())
    for product in PRODUCTS:  # one line alone brings one of them
        connection.execute("INSERT INTO mes.product (id, name) VALUES (%s, '{}') ON CONFLICT DO NOTHING", (product,))
    connection.execute(
        "INSERT INTO mes.ideal_cycle_time (id, line_id, product_id, seconds, source, reason)"
        " SELECT gen_random_uuid(), line.id, product.id, %s, 'person', 'benchmark' FROM mes.line, mes.product"
        " WHERE NOT EXISTS (SELECT FROM mes.ideal_cycle_time WHERE line_id = line.id AND product_id = product.id)",
        (CYCLE,),
    )
    shifts = [first + number * SHIFT for number in range(days * 3)]
    for number in range(lines):
        line = f"line-{number}"
        worked = [(start, list(states(start, dice))) for start in shifts]
        with connection.cursor().copy(
            "COPY mes.shift (id, line_id, name, day, starts_at, ends_at, exception) FROM STDIN"
        ) as copy:
            for start, _ in worked:
                copy.write_row((f"{line} {start:%m%d%H}", line, "shift", start.date(), start, start + SHIFT, "x"))
        with connection.cursor().copy(
            "COPY mes.line_state (id, line_id, state, reason, product_id, started_at, ended_at, previous_ended_at,"
            " recorded_by) FROM STDIN"
        ) as copy:
            for start, day in worked:
                for index, state in enumerate(day):
                    last = start is shifts[-1] and index == len(day) - 1
                    begun = None if start is shifts[0] and not index else state.start
                    row = (f"{line} {state.start:%m%d%H%M%S%f}", line, state.state, state.reason, state.product)
                    copy.write_row((*row, state.start, None if last else state.end, begun, "b"))
        with connection.cursor().copy(
            "COPY mes.production_count (id, line_id, product_id, from_time, to_time, good, scrap, rework, recorded_by,"
            " late_entry_reason) FROM STDIN"
        ) as copy:
            for start, day in worked:
                for count in counts(start, day, dice):
                    copy.write_row((f"{line} {count[0]} {count[1]:%m%d%H%M}", line, *count, "b", "b"))
    for table in LOADED:
        connection.execute(f"ALTER TABLE mes.{table} ENABLE TRIGGER ALL".encode())
        connection.execute(f"VACUUM (ANALYZE) mes.{table}".encode())


async def roll_up(settings: ApiSettings, lines: int, first: datetime, last: datetime) -> tuple[float, list[RollUpOut]]:
    """Seconds for all lines, and what each line's roll-up said; at the end the first line's, made anew."""
    database = Database(settings)

    async def of(line: str) -> RollUpOut:
        async def work(session: WriteSession) -> RollUpOut:
            return await oee.roll_up(session, oee.HOUSEKEEPER, line, first, last)

        return await database.write(work, repeatable=True, deadline=DEADLINE)

    try:
        started = time.perf_counter()
        answers = [await of(f"line-{number}") for number in range(lines)]
        seconds = time.perf_counter() - started
        return seconds, [*answers, await of("line-0")]
    finally:
        await database.close()


def checked(connection: psycopg.Connection, answers: list[RollUpOut], shifts: int) -> dict[str, int]:
    """SystemExit when the stored figures aren't what the raw records say."""
    again = answers.pop()
    refused, done = sum(answer.refused for answer in answers), sum(answer.shifts for answer in answers)
    row = connection.execute(
        "SELECT (SELECT sum(good + scrap) FROM mes.production_count),"
        " (SELECT sum(good + scrap) FROM mes.oee_rollup WHERE product_id IS NULL),"
        " (SELECT count(*) FROM mes.oee_rollup), (SELECT count(*) FROM mes.line_state),"
        " (SELECT count(*) FROM mes.production_count)"
    ).fetchone()
    assert row
    counted, stored, figures, raw_states, raw_counts = row
    if refused or again.changed or done != shifts or counted != stored:
        raise SystemExit(
            f"oee-rollup: {done} of {shifts} shifts, {refused} figures refused, {again.changed} changed when made anew,"
            f" {stored} of {counted} units"
        )
    return {"shifts": done, "figures": figures, "states": raw_states, "counts": raw_counts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=50, help="default: %(default)s")
    parser.add_argument("--days", type=int, default=90, help="default: %(default)s")
    options = parser.parse_args()
    dice = random.Random(8)  # noqa: S311  # the same histories each time
    last = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    first = last - timedelta(days=options.days)
    with servers.postgres() as server:
        server.create(NAME)
        variables = fields(environment(server, NAME))
        migrate(MigrationSettings(**variables), plant(options.lines))
        with server.connect(NAME) as connection:
            started = time.perf_counter()
            load(connection, options.lines, first, options.days, dice)
            print(f"loaded in {time.perf_counter() - started:.0f} s", file=sys.stderr)
            seconds, answers = asyncio.run(roll_up(ApiSettings(**variables), options.lines, first, last))
            sizes = checked(connection, answers, options.lines * options.days * 3)
    print(", ".join(f"{number} {name}" for name, number in sizes.items()), file=sys.stderr)
    print(json.dumps({"value": round(seconds, 1), "samples": 1}))


if __name__ == "__main__":
    main()
