"""A change that two people in two roles have approved in the service, for one artefact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.faults.lab import Lab
from tests.load.people import Person, fresh_key, session

ASKS, *DECIDE = ROLES = ("devops_lead", "manufacturing_lead", "quality_manager")

PROOF = {"method": "official_document", "evidence": "works pass"}


class Desk:
    """Those who ask for changes and decide on them, by their roles."""

    def __init__(self, lab: Lab, people: list[Person]) -> None:
        self._lab = lab
        self._people = {person.role: person for person in people}
        for role, other in ((DECIDE[0], DECIDE[1]), (DECIDE[1], DECIDE[0])):
            self._prove(role, other)

    def _prove(self, role: str, other: str) -> None:
        """Nobody signs before somebody has seen that they are whom their account says."""
        with session(self._lab, self._people[other]) as client:
            person = client.get("/api/v1/identity/me").raise_for_status().json()["id"]
        with session(self._lab, self._people[role]) as client:
            path = f"/api/v1/identity/people/{person}/identity-proofs"
            client.post(path, json=PROOF, headers=fresh_key()).raise_for_status()

    def submitted(self, digest: str) -> str:
        """The id of a change for the artefact DIGEST that waits for its approvals."""
        now = datetime.now(UTC)
        content = {
            "what": "another release",
            "why": "a test of the plant",
            "impact": "none",
            "rollback_plan": "playbooks/rollback.yml",
            "artefact_digest": digest,
            "plant": self._lab.plant.vars["plant_id"],
            "window_start": (now - timedelta(hours=1)).isoformat(),
            "window_end": (now + timedelta(hours=2)).isoformat(),
        }
        draft = self._send(ASKS, "", content)
        self._send(ASKS, f"/{draft['id']}/submit", None, draft["version"])
        return str(draft["id"])

    def approve(self, change: str, role: str) -> None:
        person = self._people[role]
        signature = {"user_name": person.user_name, "password": person.password, "role": role}
        self._send(role, f"/{change}/approve", {"signature": signature}, self._version(change))

    def approved(self, digest: str) -> str:
        change = self.submitted(digest)
        for role in DECIDE:
            self.approve(change, role)
        return change

    def _version(self, change: str) -> int:
        with session(self._lab, self._people[ASKS]) as client:
            return int(client.get(f"/api/v1/changes/{change}").raise_for_status().json()["version"])

    def _send(self, role: str, path: str, body: dict[str, Any] | None, version: int | None = None) -> Any:
        headers = fresh_key() | ({"If-Match": f'"{version}"'} if version else {})
        with session(self._lab, self._people[role]) as client:
            answer = client.post(f"/api/v1/changes{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()
