"""Change requests and signatures through the API, as people at their desks use it."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from conftest import KEYS, client_of, fields
from fastapi import FastAPI
from people import PASSWORD, Somebody, somebody

from kojo_mes.api import create_app
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.settings import ApiSettings

GATE_KEY = "key-of-the-change-gate"
GATE = {"gate": {"sha256": hashlib.sha256(GATE_KEY.encode()).hexdigest(), "role": "gate"}}
DIGEST, OTHER_DIGEST = "ab" * 32, "cd" * 32
ROLES = ("manufacturing_lead", "devops_lead", "quality_manager")


def content(**other: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "what": "kojo-mes 1.4.0",
        "why": "line 3 needs it",
        "impact": "none on running lines",
        "rollback_plan": "back to 1.3.2",
        "artefact_digest": DIGEST,
        "plant": "plant_a",
        "window_start": (now - timedelta(hours=1)).isoformat(),
        "window_end": (now + timedelta(hours=1)).isoformat(),
        **other,
    }


def signature(person: Somebody, role: str, *, user_name: bool = True, typed: str = PASSWORD) -> dict[str, Any]:
    names = {"user_name": person.user_name} if user_name else {}
    return {"role": role, "password": typed, **names}


@dataclass
class Desk:
    app: FastAPI
    client: httpx.AsyncClient
    admin: psycopg.Connection
    requester: Somebody
    manufacturing: Somebody
    devops: Somebody
    quality: Somebody

    @property
    def deciders(self) -> dict[str, Somebody]:
        return dict(zip(ROLES, (self.manufacturing, self.devops, self.quality), strict=True))

    async def get(self, path: str, who: Somebody | None = None, **query: Any) -> httpx.Response:
        headers = (who or self.requester).headers(self.app)
        return await self.client.get(f"/api/v1{path}", params=query, headers=headers)

    async def send(
        self,
        who: Somebody,
        path: str,
        body: dict[str, Any] | None = None,
        version: int | None = None,
        *,
        method: str = "POST",
        **headers: str,
    ) -> httpx.Response:
        given = who.headers(self.app) | ({"If-Match": f'"{version}"'} if version is not None else {}) | headers
        return await self.client.request(method, f"/api/v1/changes{path}", json=body, headers=given)

    async def create(self, **other: Any) -> dict[str, Any]:
        answer = await self.send(self.requester, "", content(**other))
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def submitted(self, **other: Any) -> dict[str, Any]:
        draft = await self.create(**other)
        return dict((await self.send(self.requester, f"/{draft['id']}/submit", version=1)).json())

    async def approve(self, change: dict[str, Any], role: str, who: Somebody | None = None) -> httpx.Response:
        """By the role's holder, in the version that the API has now."""
        who = who or self.deciders[role]
        present = (await self.get(f"/changes/{change['id']}")).json()["version"]
        return await self.send(who, f"/{change['id']}/approve", {"signature": signature(who, role)}, present)

    async def approved(self, **other: Any) -> dict[str, Any]:
        change = await self.submitted(**other)
        assert (await self.approve(change, "devops_lead")).status_code == 200
        answer = await self.approve(change, "quality_manager")
        assert answer.json()["state"] == "approved", answer.text
        return dict(answer.json())

    async def may(self, change: dict[str, Any], digest: str = DIGEST, plant: str = "plant_a") -> dict[str, Any]:
        """What the change gate is told."""
        answer = await self.client.get(
            f"/api/v1/changes/{change['id']}/authorisation",
            params={"digest": digest, "plant": plant},
            headers={"Authorization": f"Bearer {GATE_KEY}"},
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def use(
        self, change: dict[str, Any], digest: str = DIGEST, plant: str = "plant_a", key: str | None = None
    ) -> httpx.Response:
        return await self.client.post(
            f"/api/v1/changes/{change['id']}/use",
            json={"digest": digest, "plant": plant, "reference": "deploy 7"},
            headers={"Authorization": f"Bearer {GATE_KEY}", "Idempotency-Key": key or new_id()},
        )

    def audited(self, action: str, record_id: str) -> list[tuple[Any, ...]]:
        return self.admin.execute(
            "SELECT actor_id, reason, old, new FROM mes.audit_event WHERE action = %s AND record_id = %s ORDER BY id",
            (action, record_id),
        ).fetchall()


@contextlib.asynccontextmanager
async def desk_of(variables: dict[str, str], admin: psycopg.Connection, **other: str) -> AsyncIterator[Desk]:
    settings = ApiSettings(**fields(variables | {"KOJO_MES_API_KEYS": json.dumps(KEYS | GATE)} | other))
    app = create_app(settings)
    async with client_of(app) as client:
        yield Desk(app, client, admin, somebody(admin, "maintenance"), *(somebody(admin, role) for role in ROLES))


@pytest.fixture
async def desk(variables: dict[str, str], admin: psycopg.Connection) -> AsyncIterator[Desk]:
    async with desk_of(variables, admin) as desk:
        yield desk
