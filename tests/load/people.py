"""People of the load's own: added by the plant's own command, acting through its address, deactivated in the end."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx

from tests.faults.lab import Lab
from tests.plant import edges

QUALIFIED = {"auditor": False, "administrator": False}


@dataclass(frozen=True)
class Person:
    user_name: str
    password: str
    role: str


def fresh_key() -> dict[str, str]:
    """Return the header of a write that is nobody's repeat."""
    return {"Idempotency-Key": str(uuid.uuid4())}


@contextmanager
def people(lab: Lab, roles: Sequence[str]) -> Iterator[list[Person]]:
    """Give a person a role, able to log in and to act in it."""
    app = lab.ssh(lab.plant.groups["app"][0])
    until = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    added = [Person(f"load-{uuid.uuid4().hex[:12]}", f"{uuid.uuid4()} Aa1", role) for role in roles]
    commands = []
    for person in added:
        qualification = ["--qualified-until", until, "--evidence", "load test"]
        commands.append(
            ["kojo-mes", "user", "add", person.user_name, "--name", "Load Test", "--role", person.role]
            + (qualification if QUALIFIED.get(person.role, True) else [])
        )
    try:
        tokens = app.check_output(" && ".join(map(shlex.join, commands))).split()
        with edges.client(lab.plant) as client:
            for person, token in zip(added, tokens, strict=True):
                choice = {"token": token, "new_password": person.password}
                client.post("/api/v1/identity/passwords", json=choice).raise_for_status()
                with session(lab, person) as own:
                    policy = own.get("/api/v1/identity/me").raise_for_status().json()["policy"]["version"]
                    own.post(
                        "/api/v1/identity/me/acknowledgements", json={"policy": policy}, headers=fresh_key()
                    ).raise_for_status()
        yield added
    finally:
        ends = [["kojo-mes", "user", "deactivate", person.user_name, "--reason", "end of the load"] for person in added]
        app.run(" ; ".join(map(shlex.join, ends)))


def login(client: httpx.Client, person: Person) -> None:
    """Log in; the client then acts as this person."""
    answer = client.post(
        "/api/v1/identity/sessions", json={"user_name": person.user_name, "password": person.password}
    ).raise_for_status()
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


@contextmanager
def session(lab: Lab, person: Person) -> Iterator[httpx.Client]:
    """A client of the service in which a person is logged in."""
    with edges.client(lab.plant) as client:
        login(client, person)
        yield client
