"""The shop floor for tests: people of the lines, who plan, record and count through the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest
from conftest import client_of
from fastapi import FastAPI
from people import Somebody, somebody

from kojo_mes.api import create_app
from kojo_mes.kit.settings import ApiSettings

ZONE = ZoneInfo("Asia/Tokyo")  # the test plant's
MONDAY = date(2026, 1, 5)
LINE, PRODUCT, OTHER = "line-1", "housing-100", "carton-10"
Json = dict[str, Any]


def clock(text: str, day: date = MONDAY) -> datetime:
    """A time of the plant's wall clock; 24:00 and later are of the next day."""
    hour, minute = map(int, text.split(":"))
    return (datetime.combine(day, time(), ZONE) + timedelta(hours=hour, minutes=minute)).astimezone(UTC)


def iso(moment: datetime) -> str:
    return moment.isoformat()


@dataclass
class Floor:
    app: FastAPI
    client: httpx.AsyncClient
    admin: psycopg.Connection
    operator: Somebody
    leader: Somebody
    lead: Somebody
    day: date = MONDAY

    async def ask(
        self,
        who: Somebody,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        version: int | None = None,
        **query: Any,
    ) -> httpx.Response:
        headers = who.headers(self.app) | ({"If-Match": f'"{version}"'} if version is not None else {})
        return await self.client.request(method, f"/api/v1{path}", json=body, params=query, headers=headers)

    async def done(self, who: Somebody, method: str, path: str, body: Json | None = None, **more: Any) -> Json:
        """Its answer, which has to be a success."""
        answer = await self.ask(who, method, path, body, **more)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def refused(
        self, status: int, who: Somebody, method: str, path: str, body: Json | None = None, **more: Any
    ) -> Json:
        """The problem, which has to have this status."""
        answer = await self.ask(who, method, path, body, **more)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        return dict(answer.json())

    async def get(self, path: str, **query: Any) -> Json:
        return await self.done(self.operator, "GET", path, **query)

    def at(self, text: str) -> datetime:
        return clock(text, self.day)

    def during(self, start: str, end: str) -> Json:
        return {"from": iso(self.at(start)), "to": iso(self.at(end))}

    async def shift(self, start: str, end: str, line: str = LINE) -> Json:
        body = {"line": line, "name": "early", "exception": "test"}
        times = {"starts_at": iso(self.at(start)), "ends_at": iso(self.at(end))}
        return await self.done(self.leader, "POST", "/shifts", body | times)

    async def state(self, start: str, state: str, reason: str | None = None, product: str | None = PRODUCT) -> Json:
        body = {"time": iso(self.at(start)), "state": state, "reason": reason, "product": product}
        return await self.done(self.operator, "POST", f"/lines/{LINE}/states", body)

    async def count(self, start: str, end: str, good: int, scrap: int = 0, rework: int = 0, **more: Any) -> Json:
        body = {**self.during(start, end), "product": PRODUCT, "good": good, "scrap": scrap, "rework": rework}
        body |= {"late_entry_reason": "a day of the example", **more}
        return await self.done(self.operator, "POST", f"/lines/{LINE}/counts", {"counts": [body]})

    async def reclassify(
        self, start: str, end: str, state: str, reason: str | None = None, product: str | None = None
    ) -> Json:
        body = {**self.during(start, end), "state": state, "reason": reason, "product": product, "explanation": "seen"}
        return await self.done(self.leader, "POST", f"/lines/{LINE}/states/reclassifications", body)

    async def example_day(self) -> Json:
        """8 h of shift with 30 min of break and 1 h of breakdown; 1,500 units of 12 s ideally, 1,440 of them good."""
        shift = await self.shift("06:00", "14:00")
        await self.done(
            self.lead,
            "POST",
            f"/lines/{LINE}/ideal-cycle-times",
            {"product": PRODUCT, "seconds": "12", "valid_from": "2025-01-01T00:00:00Z", "reason": "measured"},
        )
        await self.state("06:00", "running")
        await self.state("10:00", "planned_stop", "break")
        await self.state("10:30", "unplanned_stop", "breakdown")
        await self.state("11:30", "running")
        await self.state("14:00", "no_shift", product=None)
        await self.count("06:00", "10:00", 900, 20, 10)
        await self.count("11:30", "14:00", 540, 20, 10)
        return shift

    def audited(self, action: str) -> list[tuple[Any, ...]]:
        return self.admin.execute(
            "SELECT actor_id, record_type, record_id, reason, old, new FROM mes.audit_event"
            " WHERE action = %s ORDER BY id",
            (action,),
        ).fetchall()


@pytest.fixture
async def floor(settings: ApiSettings, admin: psycopg.Connection) -> AsyncIterator[Floor]:
    app = create_app(settings)
    operator, leader, lead = (somebody(admin, role) for role in ("operator", "line_leader", "manufacturing_lead"))
    async with client_of(app) as client:
        yield Floor(app, client, admin, operator, leader, lead)
