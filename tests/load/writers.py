"""Clients that write through the virtual address while something goes wrong, and know what was acknowledged."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx

from tests.faults.lab import Lab
from tests.load.people import Person, login
from tests.load.reckoning import Counts, reckon
from tests.load.remote import sql
from tests.load.shopfloor import LINE, MACHINES, sensors
from tests.plant import edges
from tests.wait import eventually

BATCH = 30
PAUSE = 0.2
PATIENCE = 90.0
SUCCESS = (200, 201)
TICK = timedelta(microseconds=1)
TEXT = "%Y-%m-%dT%H:%M:%S.%f"


class Writer(threading.Thread):
    """Sends one write after the other; one that got no 2xx goes again under its own key, as a good client does.

    A run's writers of a kind share its start and have numbers from 1: each write has a microsecond, or a number, of its
    own, by which it is known in the database.
    """

    kind = ""
    found = ""  # SQL: what each write that is there is known by; psql's :'line', :'start' and :batch are given
    audited = ""  # SQL: the same of each write that the audit trail tells of

    def __init__(self, lab: Lab, start: datetime, number: int) -> None:
        super().__init__(daemon=True)
        self.lab, self.began, self.number = lab, start, number
        self.attempted: list[str] = []
        self.acknowledged: list[tuple[float, str]] = []  # when, by time.monotonic(), and what
        self.failures: Counter[str] = Counter()  # answers that were none
        self.stop = threading.Event()

    def write(self, number: int) -> tuple[str, str, dict[str, object]]:
        """Return a write: what it is known by in the database, its path, its body."""
        raise NotImplementedError

    def identify(self, client: httpx.Client) -> None:
        """Let a client act as who may write this; a device, if no subclass says otherwise."""
        client.headers["Authorization"] = f"Bearer {self.lab.plant.secrets['mes_simulator_key']}"

    def run(self) -> None:
        """Write until told to stop, or out of patience."""
        with edges.client(self.lab.plant) as client:
            self.identify(client)
            for number in itertools.count(1):
                known_as, path, body = self.write(number)
                self.attempted.append(known_as)
                key = f"{LINE}-{self.began:%H%M%S%f}-{self.kind}-{self.number}-{number}"
                if not self.acknowledge(client, path, body, key):
                    return
                self.acknowledged.append((time.monotonic(), known_as))
                if self.stop.is_set():
                    return

    def acknowledge(self, client: httpx.Client, path: str, body: dict[str, object], key: str) -> bool:
        """Send until there is a 2xx, or no patience."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                answer = client.post(path, json=body, headers={"Idempotency-Key": key})
                if answer.status_code in SUCCESS:
                    return True
                self.failures[f"{self.kind}: {answer.status_code} {answer.text[:200]}"] += 1
            except httpx.TransportError as error:
                self.failures[f"{self.kind}: {error!r}"] += 1
            time.sleep(PAUSE)
        return False


class Readings(Writer):
    """Batches of readings of an own machine: known by their first reading's time, and there only as a whole."""

    kind = "readings"
    found = """
        SELECT split_part(sensor.name, '.', 1) || ' ' || to_char(min(time), 'YYYY-MM-DD"T"HH24:MI:SS.US')
        FROM mes.reading JOIN mes.sensor ON sensor.id = sensor_id JOIN mes.equipment ON equipment.id = equipment_id
        WHERE line_id = :'line' AND time >= :'start'
        GROUP BY split_part(sensor.name, '.', 1), div(extract(epoch FROM time - :'start') * 1000000, :batch)
        HAVING count(*) = :batch
    """

    def write(self, number: int) -> tuple[str, str, dict[str, object]]:
        known = sensors(self.number)
        first = self.began + number * BATCH * TICK
        readings = [
            {
                "sensor": name,
                "time": f"{first + index // len(known) * TICK:{TEXT}}Z",
                "value": float(value),
                "sequence": number * BATCH + index,
            }
            for index, (name, value) in zip(range(BATCH), itertools.cycle(known.items()), strict=False)
        ]
        source = f"{LINE}-{self.began:%H%M%S%f}-{self.number}"
        return f"{LINE}-{self.number} {first:{TEXT}}", "/api/v1/readings", {"source": source, "readings": readings}


class ProductionCounts(Writer):
    """Counts of a microsecond each."""

    kind = "counts"
    # the line's other counts are derived from its readings
    found = """
        SELECT to_char(from_time, 'YYYY-MM-DD"T"HH24:MI:SS.US') FROM mes.production_count
        WHERE line_id = :'line' AND from_time >= :'start' AND source = 'record'
    """
    audited = """
        SELECT to_char(CAST(new -> 'counts' -> 0 ->> 'from_time' AS timestamptz), 'YYYY-MM-DD"T"HH24:MI:SS.US')
        FROM mes.audit_event
        WHERE record_type = 'line' AND record_id = :'line' AND at >= :'start' AND action = 'production:count'
    """

    def write(self, number: int) -> tuple[str, str, dict[str, object]]:
        first = self.began + (number * MACHINES + self.number) * TICK
        count = {
            "product": self.lab.plant.vars["plant_lines"][0]["product"],
            "from": f"{first:{TEXT}}Z",
            "to": f"{first + TICK:{TEXT}}Z",
            "good": 1,
            "scrap": 0,
            "rework": 0,
        }
        return f"{first:{TEXT}}", f"/api/v1/lines/{LINE}/counts", {"counts": [count]}


class WorkOrders(Writer):
    """Work orders that a person plans."""

    kind = "orders"
    found = "SELECT id FROM mes.work_order WHERE line_id = :'line' AND created_at >= :'start'"
    audited = """
        SELECT record_id FROM mes.audit_event
        WHERE record_type = 'work-order' AND at >= :'start' AND action = 'orders:plan' AND new ->> 'line' = :'line'
    """

    def __init__(self, lab: Lab, start: datetime, number: int, planner: Person) -> None:
        super().__init__(lab, start, number)
        self.planner = planner

    def identify(self, client: httpx.Client) -> None:
        login(client, self.planner)

    def write(self, number: int) -> tuple[str, str, dict[str, object]]:
        order = f"{LINE}-{self.began:%y%m%d%H%M%S%f}-{self.number}-{number}".upper()
        body: dict[str, object] = {
            "id": order,
            "line": LINE,
            "product": self.lab.plant.vars["plant_lines"][0]["product"],
            "unit": "pcs",
            "quantity": "10",
            "due": f"{self.began + timedelta(days=1):{TEXT}}Z",
        }
        return order, "/api/v1/orders", body


Kind = Callable[[Lab, datetime, int], Writer]


class Load:
    """The writers of a run, and afterwards what became of their writes."""

    def __init__(self, lab: Lab, start: datetime, writers: Sequence[Writer]) -> None:
        self.lab, self.start, self.writers = lab, start, writers

    @property
    def failures(self) -> Counter[str]:
        """Return what writers were told instead of a 2xx, and how often."""
        return sum((writer.failures for writer in self.writers), Counter())

    def acknowledged(self) -> list[float]:
        """Return when each write was acknowledged, in order."""
        return sorted(moment for writer in self.writers for moment, _ in writer.acknowledged)

    def progress(self, writes: int, seconds: float) -> None:
        """Wait until every writer got so many acknowledgements more."""
        wanted = [len(writer.acknowledged) + writes for writer in self.writers]

        def missing() -> list[str]:
            return [
                f"{writer.kind} {writer.number}"
                for writer, count in zip(self.writers, wanted, strict=True)
                if len(writer.acknowledged) < count
            ]

        eventually(missing, lambda names: not names, seconds, f"writers without an answer ({self.failures})")

    def counts(self, member: str = "") -> dict[str, Counts]:
        """Return the six counts of each kind of write, as the primary has them or the member that is named."""
        return {kind: self._reckon(kind, query, member) for kind, query in self._queries("found").items()}

    def audit_counts(self) -> dict[str, Counts]:
        """Return the same of their audit rows, of each kind that has them: a row that isn't there is a lost one."""
        return {kind: self._reckon(kind, query) for kind, query in self._queries("audited").items()}

    def _queries(self, witness: str) -> dict[str, str]:
        return {writer.kind: query for writer in self.writers if (query := getattr(writer, witness))}

    def _reckon(self, kind: str, query: str, member: str = "") -> Counts:
        mine = [writer for writer in self.writers if writer.kind == kind]
        found = Counter(row[0] for row in sql(self.lab, query, member, line=LINE, start=self.start, batch=BATCH))
        attempted = {write for writer in mine for write in writer.attempted}
        return reckon(attempted, {write for writer in mine for _, write in writer.acknowledged}, found)


@contextmanager
def under_load(lab: Lab, kinds: Mapping[Kind, int]) -> Iterator[Load]:
    """So many writers of each kind at work; they end their last writes when the block ends. Needs `own_line`."""
    start = datetime.now(UTC)
    writers = [kind(lab, start, number) for kind, count in kinds.items() for number in range(1, count + 1)]
    load = Load(lab, start, writers)
    for writer in writers:
        writer.start()
    try:
        yield load
    finally:
        for writer in writers:
            writer.stop.set()
        for writer in writers:
            writer.join()
