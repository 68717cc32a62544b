"""A change that two people in two roles have approved in the service, for one artefact."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from testinfra.host import Host

from tests.plant.inventory import Plant
from tests.plant.people import PASSWORD, person, signed_in

DECIDERS = ("manufacturing_lead", "quality_manager")


class Desk:
    """Those who ask for changes and decide on them, each with a session."""

    def __init__(self, plant: Plant, host: Callable[[str], Host], stack: ExitStack) -> None:
        self._plant = plant
        self._asks = self._sits(host, stack, "devops_lead")[1]
        self._decide = {role: self._sits(host, stack, role) for role in DECIDERS}

    def _sits(self, host: Callable[[str], Host], stack: ExitStack, role: str) -> tuple[str, httpx.Client]:
        name = stack.enter_context(person(self._plant, host, role))
        return name, stack.enter_context(signed_in(self._plant, name))

    def submitted(self, digest: str) -> str:
        """The id of a change for the artefact DIGEST that waits for its approvals."""
        now = datetime.now(UTC)
        content = {
            "what": "another release",
            "why": "a test of the plant",
            "impact": "none",
            "rollback_plan": "playbooks/rollback.yml",
            "artefact_digest": digest,
            "plant": self._plant.vars["plant_id"],
            "window_start": (now - timedelta(hours=1)).isoformat(),
            "window_end": (now + timedelta(hours=2)).isoformat(),
        }
        draft = self._send(self._asks, "", content)
        self._send(self._asks, f"/{draft['id']}/submit", None, draft["version"])
        return str(draft["id"])

    def approve(self, change: str, role: str) -> None:
        name, client = self._decide[role]
        version = client.get(f"/api/v1/changes/{change}").json()["version"]
        signature = {"user_name": name, "password": PASSWORD, "role": role}
        self._send(client, f"/{change}/approve", {"signature": signature}, version)

    def approved(self, digest: str) -> str:
        change = self.submitted(digest)
        for role in DECIDERS:
            self.approve(change, role)
        return change

    @staticmethod
    def _send(client: httpx.Client, path: str, body: dict[str, Any] | None, version: int | None = None) -> Any:
        headers = {"Idempotency-Key": str(uuid.uuid4())} | ({"If-Match": f'"{version}"'} if version else {})
        answer = client.post(f"/api/v1/changes{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()
