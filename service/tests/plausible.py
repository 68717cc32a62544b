"""A plant that is at work, for requests that are to be more than well-formed: they name its records, and its people
sign with their own passwords."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import psycopg
from conftest import client_of, send
from desk import Desk
from floor import Floor
from laboratory import Laboratory, People
from material import PRODUCT, add_products
from people import somebody
from shop import RESIN, Shop

from kojo_mes.api import create_app
from kojo_mes.kit.settings import ApiSettings

Known = dict[str, str]


async def furnish(settings: ApiSettings, admin: psycopg.Connection) -> Known:
    """Makes a record of every kind through the API. Their ids, by what paths and bodies call them."""
    app = create_app(settings)
    people = People(admin)
    add_products(admin, PRODUCT, RESIN)
    async with client_of(app) as client:
        now = datetime.now(UTC).isoformat()
        alive = [{"sensor": f"{name}.status", "time": now, "value": 1} for name in ("press-1", "packer-1")]
        assert (await send(client, *alive)).is_success
        floor = Floor(app, client, admin, people["operator"], people["line_leader"], people["manufacturing_lead"])
        floor.day = date.today() - timedelta(days=2)
        shift = await floor.example_day()
        counts = await floor.get("/lines/line-1/counts", **floor.during("00:00", "24:00"))
        roles = ("operator", "line_leader", "manufacturing_lead", "quality_inspector", "quality_manager")
        shop = Shop(app, client, admin, *(people[role] for role in roles))
        await shop.running()
        await shop.stock("L-1")
        await shop.lot("L-2", "WO-1")
        laboratory = Laboratory(app, client, admin, people)
        await laboratory.variable()
        chart = await laboratory.chart("xbar-r", 5)
        checks = await laboratory.measure([(74.0, 74.01, 73.99, 74.0, 74.02)] * 3)
        report = {"description": "scratches", "line": "line-1", "product": PRODUCT, "lot": "L-2"}
        nonconformance = await laboratory.made("/nonconformances", report)
        hold = await laboratory.made("/holds", {"line": "line-1", "product": PRODUCT, "reason": "suspicion"})
        action = await laboratory.made(
            "/corrective-actions",
            {
                "kind": "corrective",
                "nonconformances": [nonconformance["id"]],
                "problem": "drift",
                "root_cause": "filter",
                "action": "change it",
                "criterion": "no signal",
                "owner": "maintenance",
                "due_on": (date.today() + timedelta(days=9)).isoformat(),
            },
        )
        deciders = (people[role] for role in ("manufacturing_lead", "devops_lead", "quality_manager"))
        change = await Desk(app, client, admin, people["maintenance"], *deciders).submitted()
        device = await laboratory.made(
            "/identity/devices", {"name": "press-1-plc", "equipment": ["press-1"]}, "administrator"
        )
        export = await laboratory.post("/audit/exports", {"record_type": "lot", "record_id": "L-1", "format": "jsonl"})
    return {
        "line": "line-1",
        "product": PRODUCT,
        "equipment": "press-1",
        "sensor": "press-1.temperature",
        "shift": shift["id"],
        "count": counts["items"][0]["id"],
        "order": "WO-1",
        "lot": "L-2",
        "gauge": "bore-gauge-3",
        "characteristic": "housing-100.bore",
        "chart": chart,
        "check": checks[0]["id"],
        "nonconformance": nonconformance["id"],
        "hold": hold["id"],
        "action": action["id"],
        "change_id": change["id"],
        "person_id": somebody(admin, "operator").id,
        "device_id": device["id"],
        "signature_id": str(laboratory.one("SELECT id FROM mes.signature LIMIT 1")),
        "export_id": export.json()["id"],
    }
