"""Orders and lots through the API, as people in the plant use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from conftest import client_of
from fastapi import FastAPI
from material import LINE, PRODUCT, add_products
from people import PASSWORD, Somebody, somebody

from kojo_mes.api import create_app
from kojo_mes.kit.settings import ApiSettings

RESIN = "resin-7"


def now() -> str:
    return datetime.now(UTC).isoformat()


def order_body(number: str = "WO-1", **other: Any) -> dict[str, Any]:
    common = {"id": number, "line": LINE, "product": PRODUCT, "unit": "kg", "quantity": "100", "due": now()}
    return {**common, **other}


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:kojo:problem:")


@dataclass
class Shop:
    app: FastAPI
    client: httpx.AsyncClient
    admin: psycopg.Connection
    operator: Somebody
    leader: Somebody
    planner: Somebody
    inspector: Somebody
    quality: Somebody

    async def get(self, path: str, who: Somebody | None = None, **query: Any) -> httpx.Response:
        headers = (who or self.operator).headers(self.app)
        return await self.client.get(f"/api/v1/{path}", params=query, headers=headers)

    async def send(
        self,
        who: Somebody,
        path: str,
        body: dict[str, Any],
        version: int | None = None,
        *,
        method: str = "POST",
        **headers: str,
    ) -> httpx.Response:
        given = who.headers(self.app) | ({"If-Match": f'"{version}"'} if version is not None else {}) | headers
        return await self.client.request(method, f"/api/v1/{path}", json=body, headers=given)

    async def plan(self, number: str = "WO-1", **other: Any) -> dict[str, Any]:
        return made(await self.send(self.planner, "orders", order_body(number, **other)))

    async def move(self, number: str, to: str, version: int | None = None, **more: Any) -> httpx.Response:
        """An order, by whoever may."""
        if version is None:
            version = (await self.get(f"orders/{number}")).json()["version"]
        dispatch = to in {"released", "closed", "cancelled"}
        who, way = (self.planner, "dispatch") if dispatch else (self.operator, "execution")
        return await self.send(who, f"orders/{number}/{way}", {"to": to, **more}, version)

    async def running(self, number: str = "WO-1", **other: Any) -> str:
        await self.plan(number, **other)
        for to in ("released", "running"):
            made(await self.move(number, to))
        return number

    async def lot(self, number: str, order: str | None = None, **other: Any) -> dict[str, Any]:
        origin = {"order": order} if order else {"supplier": "Asahi", "supplier_lot": "A-1"}
        body = {"id": number, "product": PRODUCT, "unit": "kg", **origin, **other}
        return made(await self.send(self.operator, "traceability/lots", body))

    async def book(
        self, number: str, what: str, quantity: str = "1", who: Somebody | None = None, **other: Any
    ) -> httpx.Response:
        body = {"unit": "kg", "quantity": quantity, "time": now(), **other}
        return await self.send(who or self.operator, f"traceability/lots/{number}/{what}", body)

    async def consume(self, into: str, *inputs: tuple[str, str]) -> httpx.Response:
        listed = [{"lot": lot, "unit": "kg", "quantity": quantity} for lot, quantity in inputs]
        body = {"inputs": listed, "time": now()}
        return await self.send(self.operator, f"traceability/lots/{into}/consumption", body)

    async def version(self, lot: str) -> int:
        return int((await self.get(f"traceability/lots/{lot}")).json()["version"])

    async def review(self, lot: str, who: Somebody | None = None, role: str = "quality_inspector") -> httpx.Response:
        body = {"signature": signature(who or self.inspector, role)}
        path = f"traceability/lots/{lot}/audit-review"
        return await self.send(who or self.inspector, path, body, await self.version(lot))

    async def sign_release(self, lot: str, *, signed: bool = True, typed: str = PASSWORD) -> httpx.Response:
        body = {"signature": signature(self.quality, "quality_manager", typed)} if signed else {}
        return await self.send(self.quality, f"traceability/lots/{lot}/release", body, await self.version(lot))

    async def release(self, lot: str) -> dict[str, Any]:
        made(await self.review(lot))
        return made(await self.sign_release(lot))

    async def stock(self, number: str, quantity: str = "10") -> str:
        """A supplier's lot, received and released."""
        await self.lot(number)
        made(await self.book(number, "receipts", quantity))
        await self.release(number)
        return number

    def denied(self, record: str) -> list[tuple[Any, ...]]:
        """Who was denied what, for which reason."""
        return self.admin.execute(
            "SELECT actor_id, new ->> 'wanted', reason FROM mes.audit_event"
            " WHERE action = 'denied' AND record_id = %s ORDER BY id",
            (record,),
        ).fetchall()

    def audited(self, record: str) -> list[str]:
        rows = self.admin.execute(
            "SELECT action FROM mes.audit_event WHERE record_id = %s AND source = 'service' ORDER BY id", (record,)
        )
        return [row[0] for row in rows.fetchall()]


def signature(person: Somebody, role: str, typed: str = PASSWORD) -> dict[str, Any]:
    return {"role": role, "user_name": person.user_name, "password": typed}


def made(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code in {200, 201}, answer.text
    return dict(answer.json())


@pytest.fixture
async def shop(settings: ApiSettings, admin: psycopg.Connection) -> AsyncIterator[Shop]:
    app = create_app(settings)
    add_products(admin, PRODUCT, RESIN)
    roles = ("operator", "line_leader", "manufacturing_lead", "quality_inspector", "quality_manager")
    async with client_of(app) as client:
        yield Shop(app, client, admin, *(somebody(admin, role) for role in roles))
