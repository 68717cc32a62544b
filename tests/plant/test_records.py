"""People and the audit trail on the plant: what a person does through the virtual address is recorded and sealed."""

from __future__ import annotations

import json
import shlex
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from testinfra.host import Host

from tests.plant import edges
from tests.plant.inventory import Plant
from tests.wait import eventually

SEALS = "/var/lib/kojo-mes/seals"
PASSWORD = f"{uuid.uuid4()} Aa1"


def kojo_mes(host: Host, *arguments: str) -> str:
    return str(host.check_output(f"kojo-mes {shlex.join(arguments)}"))


@pytest.fixture(scope="module")
def auditor(plant: Plant, host: Callable[[str], Host]) -> Iterator[str]:
    """The user name of an auditor, who has the plant's tests as its only life."""
    app = host(plant.groups["app"][0])
    name = f"test-{uuid.uuid4().hex[:12]}"
    token = kojo_mes(app, "user", "add", name, "--name", "Test Auditor", "--role", "auditor").strip()
    with edges.client(plant) as client:
        chosen = client.post("/api/v1/identity/passwords", json={"token": token, "new_password": PASSWORD})
        assert chosen.status_code == 200, chosen.text
    yield name
    kojo_mes(app, "user", "deactivate", name, "--reason", "end of the test")


@pytest.fixture
def session(plant: Plant, auditor: str) -> Iterator[httpx.Client]:
    with edges.client(plant) as client:
        answer = client.post("/api/v1/identity/sessions", json={"user_name": auditor, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        if policy := answer.json()["acknowledge"]:
            agreed = client.post(
                "/api/v1/identity/me/acknowledgements",
                json={"policy": policy},
                headers={"Idempotency-Key": str(uuid.uuid4())},
            )
            assert agreed.status_code == 200, agreed.text
        yield client


def published(plant: Plant, host: Callable[[str], Host]) -> list[list[dict[str, Any]]]:
    """The seals on file at each host with the service."""
    texts = [host(name).run(f"cat {SEALS}/seals-*.jsonl").stdout for name in plant.groups["app"]]
    return [[json.loads(line) for line in text.splitlines()] for text in texts]


def test_who_was_added_by_the_command_is_in_the_trail(session: httpx.Client, auditor: str) -> None:
    me = session.get("/api/v1/identity/me").json()
    assert me["user_name"] == auditor
    about_me = {"record_type": "person", "record_id": me["id"]}
    # what a session may is remembered for seconds, also from before the policy was acknowledged
    found = eventually(
        lambda: session.get("/api/v1/audit/events", params=about_me), lambda answer: answer.status_code == 200, 15
    )
    events = found.json()["items"]
    (added,) = [event for event in events if event["action"] == "identity:add"]
    assert added["actor"]["kind"] == "system"
    assert added["actor"]["id"] == "cli:root"
    assert PASSWORD not in json.dumps(events)


def test_an_auditor_changes_nothing(session: httpx.Client) -> None:
    body = {"user_name": "somebody", "name": "Somebody"}
    answer = session.post("/api/v1/identity/people", json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
    assert answer.status_code == 403


def test_the_trail_is_sealed_off_the_databases_hosts(
    plant: Plant, host: Callable[[str], Host], session: httpx.Client
) -> None:
    newest = max(event["id"] for event in session.get("/api/v1/audit/events").json()["items"])

    def sealed() -> list[bool]:
        return [any(newest in seal["seal"]["ids"] for seal in seals) for seals in published(plant, host)]

    eventually(sealed, any, 30)


def test_nobody_changes_the_trail(plant: Plant, host: Callable[[str], Host]) -> None:
    """Not even the tables' owner."""
    database = host(plant.groups["database"][0])
    for user, role in (("kojo_app", "app"), ("kojo_owner", "owner"), ("kojo_audit", "audit")):
        uri = (
            f"host={','.join(plant.address(name) for name in plant.groups['database'])} dbname=kojo user={user}"
            " sslmode=verify-full sslrootcert=/etc/kojo/pki/ca.crt target_session_attrs=read-write"
        )
        password = shlex.quote(plant.secrets[f"postgresql_{role}_password"])
        for statement in (
            "UPDATE mes.audit_event SET reason = 'x'",
            "DELETE FROM mes.audit_event",
            "TRUNCATE mes.audit_event",
        ):
            done = database.run(f"PGPASSWORD={password} psql {shlex.quote(uri)} --command {shlex.quote(statement)}")
            assert done.rc != 0, (user, statement, done.stdout)
