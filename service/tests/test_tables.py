"""Lists as tables: each of them, page by page, and what a spreadsheet makes of their values."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from conftest import key, send
from pydantic import BaseModel, Field
from test_edges import A_DAY, LISTS, ROUTES, Door, door
from walk import parameters

from kojo_mes.kit.tables import columns_of, table

__all__ = ["door"]
Make = Callable[..., dict[str, Any]]
TABLE = {"Accept": "text/csv"}


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/csv"), answer.headers
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def walked(client: httpx.AsyncClient, path: str, **params: Any) -> list[dict[str, str]]:
    """All pages, as a client follows them."""
    answer = await client.get(path, params=params, headers=TABLE)
    found = rows(answer)
    while "next" in answer.links:
        answer = await client.get(answer.links["next"]["url"], headers=TABLE)
        found += rows(answer)
    return found


async def test_every_list_is_a_table_for_who_asks_for_one(door: Door) -> None:
    assert {name for name in LISTS if "format" not in parameters(ROUTES[name], "query")} == set()
    seen = 0
    for name in LISTS:
        as_json = await door.ask(name, query=A_DAY)
        as_table = await door.ask(name, TABLE, query=A_DAY)
        assert as_json.status_code == as_table.status_code, name
        if as_json.status_code == 200:
            seen += 1
            assert as_table.headers["Content-Type"].startswith("text/csv"), name
            assert "attachment" in as_table.headers["Content-Disposition"]
            assert "items" in as_json.json(), "JSON as before"
    assert seen > 25, "the others have no record to list something of"


async def test_a_table_goes_on_where_its_page_ends(client: httpx.AsyncClient, reading: Make) -> None:
    for source in "abcde":
        body = {"source": source, "readings": [reading(sequence=1), reading(sequence=2)]}
        answer = await client.post("/api/v1/readings", json=body, headers=key())
        assert answer.status_code == 200
    found = await walked(client, "/api/v1/readings/sources", limit=2)
    assert [row["source"] for row in found] == list("edcba")
    now = datetime.now(UTC)
    times = {"from": (now - timedelta(hours=1)).isoformat(), "to": (now + timedelta(hours=1)).isoformat()}
    query = {"sensor": "press-1.temperature", **times}
    as_json = (await client.get("/api/v1/readings", params=query)).json()["items"]
    as_table = await walked(client, "/api/v1/readings", **query, limit=3)
    assert [row["time"] for row in as_table] == [item["time"] for item in as_json]
    assert len(as_table) == 10
    assert as_table[0].keys() == as_json[0].keys()


def test_headings_are_the_names_that_json_has() -> None:
    class Row(BaseModel):
        line_id: str = Field(serialization_alias="line")

    answer = table("rows", columns_of(Row), [Row(line_id="=1+1")])
    assert answer.body == b"\xef\xbb\xbfline\r\n'=1+1\r\n"


async def test_what_is_not_one_value_is_json(client: httpx.AsyncClient, reading: Make) -> None:
    await send(client, reading())
    line, _ = rows(await client.get("/api/v1/lines", params={"format": "csv"}))
    assert line["id"] == "line-1"
    assert json.loads(line["name"]) == {"ja": "第一組立ライン", "en": "Assembly line 1"}
    assert "組立" in line["name"], "readable as it stands"
    assert [item["id"] for item in json.loads(line["equipment"])] == ["press-1", "robot-1"]
    as_json = await client.get("/api/v1/lines", params={"format": "json"}, headers=TABLE)
    assert as_json.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("name", ["gauges", "holds", "orders", "nonconformances", "traceability/lots"])
async def test_an_empty_table_has_its_columns(door: Door, name: str) -> None:
    answer = await door.ask(f"GET /api/v1/{name}", TABLE)
    assert rows(answer) == []
    assert answer.content.decode("utf-8-sig").startswith("id,")
