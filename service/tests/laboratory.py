"""A quality laboratory for tests: people of each role, a gauge, characteristics with approved specifications."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from conftest import client_of
from fastapi import FastAPI
from people import PASSWORD, Somebody, somebody

from kojo_mes.api import create_app
from kojo_mes.kit.settings import ApiSettings

ROLES = (
    "operator",
    "line_leader",
    "maintenance",
    "quality_inspector",
    "quality_manager",
    "manufacturing_lead",
    "devops_lead",
    "auditor",
    "administrator",
)
BORE, SEAL, GAUGE = "housing-100.bore", "housing-100.seal", "bore-gauge-3"


class People(dict[str, Somebody]):
    """By role; made when they are needed."""

    def __init__(self, admin: psycopg.Connection) -> None:
        super().__init__()
        self._admin = admin

    def __missing__(self, role: str) -> Somebody:
        self[role] = somebody(self._admin, role)
        return self[role]


@dataclass
class Laboratory:
    app: FastAPI
    client: httpx.AsyncClient
    admin: psycopg.Connection
    people: People
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def get(self, path: str, role: str = "auditor", **query: Any) -> httpx.Response:
        return await self.client.get(f"/api/v1{path}", params=query, headers=self.people[role].headers(self.app))

    async def post(
        self,
        path: str,
        body: dict[str, Any] | None = None,
        role: str = "quality_manager",
        version: int | None = None,
        key: str | None = None,
    ) -> httpx.Response:
        given = self.people[role].headers(self.app) | ({"Idempotency-Key": key} if key else {})
        if version is not None:
            given["If-Match"] = f'"{version}"'
        return await self.client.post(f"/api/v1{path}", json=body, headers=given)

    async def made(self, path: str, body: dict[str, Any], role: str = "quality_manager", **more: Any) -> dict[str, Any]:
        answer = await self.post(path, body, role, **more)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    def signature(self, role: str, password: str = PASSWORD) -> dict[str, Any]:
        return {"user_name": self.people[role].user_name, "password": password, "role": role}

    async def gauge(self, gauge: str = GAUGE, *, calibrated: bool = True) -> None:
        page = {
            "id": gauge,
            "name": "Bore gauge",
            "serial_number": "SN-1",
            "unit": "mm",
            "calibration_interval_days": 180,
        }
        await self.made("/gauges", page)
        if calibrated:
            await self.calibrate(gauge, datetime.now(UTC) - timedelta(days=1))

    async def calibrate(
        self, gauge: str, at: datetime, found: str = "in", left: str = "in", **more: Any
    ) -> dict[str, Any]:
        page = {
            "calibrated_at": at.isoformat(),
            "as_found": f"{found}-tolerance" if found == "in" else "out-of-tolerance",
            "as_left": f"{left}-tolerance" if left == "in" else "out-of-tolerance",
            "certificate": "JCSS-1",
            "reference_standard": "ring gauge, NMIJ 4711",
            "performed_by": "metrology",
            **more,
        }
        return await self.made(f"/gauges/{gauge}/calibrations", page, "maintenance")

    async def specify(self, characteristic: str = BORE, **content: Any) -> dict[str, Any]:
        """Drafted by the inspector, approved by the manager."""
        made = await self.draft(characteristic, **content)
        path = f"/characteristics/{characteristic}/specifications/{made['version']}/approval"
        return await self.made(path, {"signature": self.signature("quality_manager")})

    async def draft(self, characteristic: str = BORE, **content: Any) -> dict[str, Any]:
        default = {"effective_from": "2026-01-01T00:00:00Z", "reason": "drawing 100-3"}
        return await self.made(
            f"/characteristics/{characteristic}/specifications", default | content, "quality_inspector"
        )

    async def define(self, characteristic: str = BORE, kind: str = "variable") -> None:
        page = {"id": characteristic, "product": "housing-100", "kind": kind, "name": {"en": "Bore", "ja": "内径"}}
        await self.made("/characteristics", page, "quality_inspector")

    async def variable(self, lower: float | None = 73.95, upper: float | None = 74.05) -> None:
        await self.gauge()
        await self.define()
        await self.specify(unit="mm", lower_limit=lower, target=74.0, upper_limit=upper)

    async def attribute(self, acceptance_number: int = 50) -> None:
        await self.define(SEAL, "attribute")
        await self.specify(SEAL, acceptance_number=acceptance_number)

    async def chart(self, kind: str, size: int, rules: str = "western-electric", characteristic: str = BORE) -> str:
        page = {"id": "chart-1", "characteristic": characteristic, "line": "line-1", "kind": kind}
        await self.made("/quality/charts", page | {"subgroup_size": size, "rule_set": rules})
        return "chart-1"

    def moment(self) -> str:
        """Each a little later than the one before, and never in the future."""
        return (datetime.now(UTC) + timedelta(microseconds=next(self.numbers))).isoformat()

    def measured(self, *values: float, **more: Any) -> dict[str, Any]:
        base = {"characteristic": BORE, "line": "line-1", "measured_at": self.moment(), "gauge": GAUGE}
        return base | {"values": list(values)} | more

    def counted(self, nonconforming: int, size: int = 50, **more: Any) -> dict[str, Any]:
        base = {"characteristic": SEAL, "line": "line-1", "measured_at": self.moment()}
        return base | {"sample_size": size, "nonconforming": nonconforming} | more

    async def check(self, check: dict[str, Any], role: str = "operator") -> dict[str, Any]:
        return await self.made("/quality/checks", check, role)

    async def measure(self, subgroups: Sequence[Sequence[float]], **more: Any) -> list[dict[str, Any]]:
        return [await self.check(self.measured(*values, **more)) for values in subgroups]

    def one(self, query: str, *values: Any) -> Any:
        row = self.admin.execute(query.encode(), values).fetchone()
        return row[0] if row and len(row) == 1 else row

    def denied(self, record_type: str) -> int:
        """Audit entries of what was refused."""
        query = "SELECT count(*) FROM mes.audit_event WHERE action = 'denied' AND record_type = %s"
        return int(self.one(query, record_type))


@pytest.fixture
async def laboratory(settings: ApiSettings, admin: psycopg.Connection) -> AsyncIterator[Laboratory]:
    app = create_app(settings)
    async with client_of(app) as client:
        client.headers.pop("Authorization")
        yield Laboratory(app, client, admin, People(admin))
