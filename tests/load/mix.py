"""Puts the plant under the mixed load of locustfile.py, and measures it from both ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.faults.lab import Lab
from tests.load.api import Api
from tests.load.people import Person, fresh_key, people, session
from tests.load.remote import require_synchronous
from tests.load.shopfloor import LINE, own_line, sensors
from tests.plant import edges

USERS = 100
SPAWN_RATE = 2  # logins a second: each takes a password hash
LONGEST_SPAWN = 300
SECONDS = 120
ROLES = {"operator": 8, "quality_manager": 6, "manufacturing_lead": 4, "quality_inspector": 1}
STATEMENTS = "manufacturing_db_statement_duration_seconds"


@dataclass(frozen=True)
class Measured:
    """Requests: name, milliseconds, fault. Statements: a histogram in seconds, of all API hosts."""

    requests: Sequence[tuple[str, float, str | None]]
    statements: Counter[float]

    @property
    def failures(self) -> Counter[str]:
        """Return what went wrong, and how often."""
        return Counter(f"{name}: {fault}" for name, _, fault in self.requests if fault)

    def p95(self, name: str | None = None) -> float:
        """Return the milliseconds that 95 % of the requests took at most, of all or of a name."""
        times = sorted(taken for known, taken, _ in self.requests if name in (None, known))
        return times[-(-len(times) * 95 // 100) - 1]

    def names(self) -> list[str]:
        """Return the kinds of requests."""
        return sorted({name for name, _, _ in self.requests})


def run(lab: Lab) -> Measured:
    """Let the users work for SECONDS, once all are there."""
    with ExitStack() as stack:
        stack.enter_context(own_line(lab))
        crew = stack.enter_context(people(lab, [role for role, count in ROLES.items() for _ in range(count)]))
        chart = stack.enter_context(control_chart(lab, {person.role: person for person in crew}))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kojo-load-")))
        apis = [Api(lab, name) for name in lab.plant.groups["app"]]
        real_line = lab.plant.vars["plant_lines"][0]
        job = {
            "url": f"https://{edges.address(lab.plant)}",
            "ca": str(lab.plant.ca),
            "device_key": lab.plant.secrets["mes_simulator_key"],
            "people": {role: [(who.user_name, who.password) for who in crew if who.role == role] for role in ROLES},
            "line": LINE,
            "product": real_line["product"],
            "sensors": {name: float(value) for name, value in sensors(1).items()},
            "real_line": real_line["id"],
            "sensor": f"{real_line['equipment'][0]['id']}.temperature",
            **chart,
            "users": USERS,
            "seconds": SECONDS,
            "results": str(folder / "results.json"),
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        require_synchronous(lab)
        before = _statements(apis)
        _locust(folder / "job.json")
        found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        return Measured([(name, taken, fault) for name, taken, fault in found], _statements(apis) - before)


@contextmanager
def control_chart(lab: Lab, crew: dict[str, Person]) -> Iterator[dict[str, str]]:
    """A p chart on the load's line, its characteristic specified, approved and checked like a real one's."""
    name = f"{LINE}.{uuid.uuid4().hex[:12]}"
    path = f"/characteristics/{name}"
    manager, product = crew["quality_manager"], lab.plant.vars["plant_lines"][0]["product"]
    with (
        session(lab, crew["quality_inspector"]) as inspector,
        session(lab, manager) as approver,
        session(lab, crew["manufacturing_lead"]) as lead,
    ):
        person = approver.get("/api/v1/identity/me").raise_for_status().json()["id"]
        proof = {"method": "known_in_person", "evidence": "load test"}
        _post(lead, f"/identity/people/{person}/identity-proofs", proof)
        new = {"id": name, "product": product, "kind": "attribute", "name": {"en": "Load test"}}
        _post(inspector, "/characteristics", new)
        draft = {"acceptance_number": 50, "effective_from": "2026-01-01T00:00:00Z", "reason": "load test"}
        _post(inspector, f"{path}/specifications", draft)
        signature = {"user_name": manager.user_name, "password": manager.password, "role": manager.role}
        _post(approver, f"{path}/specifications/1/approval", {"signature": signature})
        chart = {"id": name, "characteristic": name, "line": LINE, "kind": "p", "subgroup_size": 50}
        _post(inspector, "/quality/charts", chart | {"rule_set": "western-electric"})
        _post(approver, f"/quality/charts/{name}/limits", {"centre": 0.02, "reason": "load test"})
        yield {"chart": name, "characteristic": name}
        version = inspector.get(f"/api/v1{path}").raise_for_status().headers["ETag"]
        _post(inspector, f"{path}/retirement", None, **{"If-Match": version})


def _post(client: httpx.Client, path: str, body: object, **headers: str) -> None:
    answer = client.post(f"/api/v1{path}", json=body, headers=fresh_key() | headers)
    assert answer.is_success, f"{path}: {answer.text}"


def _statements(apis: list[Api]) -> Counter[float]:
    return sum((api.histogram(STATEMENTS) for api in apis), Counter())


def _locust(job: Path) -> None:
    """A failed request is ours to judge, not Locust's exit code's."""
    command = [str(Path(sys.executable).with_name("locust")), "--headless", "--only-summary"]
    command += ["--exit-code-on-error", "0", "-f", str(Path(__file__).with_name("locustfile.py"))]
    command += ["-u", str(USERS), "-r", str(SPAWN_RATE), "--run-time", f"{LONGEST_SPAWN + SECONDS}s"]
    subprocess.run(command, env={**os.environ, "KOJO_LOAD": str(job)}, check=True, stdout=sys.stderr)
