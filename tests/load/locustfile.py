"""A hundred users of the service at once: gateways, and people logged in, through the virtual address with TLS.

`locust -f tests/load/locustfile.py` with the job's file in KOJO_LOAD (mix.py writes it). Ten gateways send a batch of
thirty readings a second each; the others are people who look, mostly, and write, and think one to two seconds in
between. The measurement begins when all have logged in and WARM_UP seconds are over: what piled up behind a hundred
password hashes has been answered then. The results go to the job's `results`: each request's name, milliseconds, fault.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import ssl
import threading
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from locust import FastHttpUser, User, between, constant_pacing, events, task

JOB: dict[str, Any] = json.loads(Path(os.environ["KOJO_LOAD"]).read_text(encoding="utf-8"))
LINE, PRODUCT, SENSOR = JOB["line"], JOB["product"], JOB["sensor"]
BATCH = 30
WARM_UP = 15
START = datetime.now(UTC)
numbers = itertools.count(1)
results: list[tuple[str, float, str | None]] = []
ready: list[User] = []
measuring = threading.Event()


def ago(**period: float) -> dict[str, str]:
    """Return a query's time from then up to now."""
    now = datetime.now(UTC)
    return {"from": f"{(now - timedelta(**period)).isoformat()}", "to": now.isoformat()}


class PlantUser(FastHttpUser):
    abstract = True
    host = JOB["url"]
    insecure = False
    network_timeout = connection_timeout = 30

    @staticmethod
    def ssl_context_factory() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=JOB["ca"])

    def on_start(self) -> None:
        self.token = self.identify()
        ready.append(self)
        if len(ready) == JOB["users"]:
            threading.Timer(WARM_UP, measuring.set).start()
            threading.Timer(WARM_UP + JOB["seconds"], self.environment.runner.quit).start()

    def identify(self) -> str:
        """Return what the user's requests carry."""
        return str(JOB["device_key"])

    def look(self, path: str, **query: object) -> None:
        self.client.get(f"/api/v1{path}", params=query, name=f"GET {path}", headers=self.who())

    def write(self, path: str, body: object, name: str = "", **headers: str) -> Any:
        name = f"POST {name or path}"
        own = {"Idempotency-Key": str(uuid.uuid4()), **headers}
        return self.client.post(f"/api/v1{path}", json=body, name=name, headers=self.who() | own)

    def who(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class Gateway(PlantUser):
    fixed_count = 10
    wait_time = constant_pacing(1)

    @task
    def send(self) -> None:
        now, number = datetime.now(UTC), next(numbers)
        sensors = itertools.cycle(JOB["sensors"].items())
        readings = [
            {"sensor": name, "time": (now + timedelta(microseconds=number + index)).isoformat(), "value": value}
            for index, (name, value) in zip(range(BATCH), sensors, strict=False)
        ]
        self.write("/readings", {"readings": readings})


class Worker(PlantUser):
    """A person, logged in."""

    abstract = True
    wait_time = between(1, 2)
    role = ""

    def identify(self) -> str:
        name, password = random.choice(JOB["people"][self.role])  # noqa: S311
        answer = self.client.post("/api/v1/identity/sessions", json={"user_name": name, "password": password})
        return str(answer.json()["access_token"])


class Operator(Worker):
    role = "operator"
    weight = 4

    @task(4)
    def values(self) -> None:
        self.look("/readings/latest")

    @task(2)
    def curve(self) -> None:
        self.look("/series/downsampled", sensor=SENSOR, seconds=60, **ago(hours=1))

    @task(2)
    def lines(self) -> None:
        self.look("/lines")

    @task(1)
    def orders(self) -> None:
        self.look("/orders", limit=50)

    @task(1)
    def count(self) -> None:
        first = START + timedelta(microseconds=2 * next(numbers))
        last = first + timedelta(microseconds=1)
        times = {"from": first.isoformat(), "to": last.isoformat()}
        count = {"product": PRODUCT, **times, "good": 1, "scrap": 0, "rework": 0}
        self.write(f"/lines/{LINE}/counts", {"counts": [count]}, "/lines/{line}/counts")

    @task(1)
    def check(self) -> None:
        # always as many as the chart's centre line says: no signal, so no hold
        check = {"characteristic": JOB["characteristic"], "line": LINE, "sample_size": 50, "nonconforming": 1}
        self.write("/quality/checks", check | {"measured_at": datetime.now(UTC).isoformat()})


class QualityManager(Worker):
    role = "quality_manager"
    weight = 3

    @task(4)
    def chart(self) -> None:
        path = f"/api/v1/quality/charts/{JOB['chart']}"
        self.client.get(path, name="GET /quality/charts/{chart}", headers=self.who())

    @task(2)
    def checks(self) -> None:
        self.look("/quality/checks", line=LINE, limit=50)

    @task(1)
    def nonconformances(self) -> None:
        self.look("/nonconformances", limit=50)

    @task(1)
    def trail(self) -> None:
        self.look("/audit/events", limit=50)


class Planner(Worker):
    role = "manufacturing_lead"
    weight = 2

    @task(2)
    def history(self) -> None:
        self.look("/readings", sensor=SENSOR, limit=500, **ago(minutes=10))

    @task(1)
    def performance(self) -> None:
        self.look("/oee/rollups", line=JOB["real_line"], **ago(days=7))

    @task(1)
    def plan(self) -> None:
        order = f"LOAD-{START:%y%m%d%H%M%S}-{next(numbers)}"
        due = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        content = {"line": LINE, "product": PRODUCT, "unit": "pcs", "quantity": "10", "due": due}
        self.write("/orders", {"id": order, **content})
        wanted = {"to": "cancelled", "reason": "end of the load"}
        self.write(f"/orders/{order}/dispatch", wanted, "/orders/{order}/dispatch", **{"If-Match": '"1"'})


def note(name: str, response_time: float, exception: Exception | None, **_more: object) -> None:
    if measuring.is_set() or exception:
        results.append((name, response_time, str(exception) if exception else None))


def tell(**_more: object) -> None:
    Path(JOB["results"]).write_text(json.dumps(results), encoding="utf-8")


events.request.add_listener(note)
events.quitting.add_listener(tell)
