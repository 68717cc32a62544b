"""People and the audit trail on the plant: what a person does through the virtual address is recorded and sealed."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from testinfra.host import Host

from tests.plant import people
from tests.plant.inventory import Plant
from tests.plant.logins import login
from tests.wait import eventually

SEALS = "/var/lib/kojo-mes/seals"


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
    assert people.PASSWORD not in json.dumps(events)


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


@pytest.mark.parametrize("user", ["kojo_app", "kojo_owner", "kojo_audit"])
def test_nobody_changes_the_trail(plant: Plant, host: Callable[[str], Host], user: str) -> None:
    """Not even the tables' owner; what refuses them is the trail, because the same login reads it."""
    assert login(plant, host, user, "SELECT count(*) > 0 FROM mes.audit_event").strip() == "(True,)"
    for statement in (
        "UPDATE mes.audit_event SET reason = 'x'",
        "DELETE FROM mes.audit_event",
        "TRUNCATE mes.audit_event CASCADE",
    ):
        answer = login(plant, host, user, statement)
        assert "psycopg.errors.InsufficientPrivilege" in answer, (user, statement, answer)
