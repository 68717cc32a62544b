"""What every route asks of a request: a key, a version, and bounds of page, time and body. A walk over all of them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest
from callers import API_KEYS, Caller, who_may
from conftest import client_of, fields
from fastapi import FastAPI
from walk import fields_of, parameters, permissions, routes

from kojo_mes.api import create_app
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.middleware import LARGEST_BODY
from kojo_mes.kit.security import Permission
from kojo_mes.kit.settings import ApiSettings

NOWHERE = {"database_hosts": "127.0.0.1:1", "redis_sentinels": "127.0.0.1:1", "api_keys": "{}"}
APP = create_app(ApiSettings(**NOWHERE, environment="development"))  # type: ignore[arg-type]  # its routes alone
ROUTES = dict(routes(APP))
WRITES = [name for name in ROUTES if not name.startswith("GET ")]

WITHOUT_KEY = {
    "POST /api/v1/identity/sessions": "a login: a repeated answer would be a second pair of tokens from a store",
    "POST /api/v1/identity/sessions/refresh": "a refresh token is good once; that is its key",
    "POST /api/v1/identity/passwords": "a reset's token is good once; that is its key",
    "POST /api/v1/identity/passwords/change": "the same password again is refused: it is the present one",
}
WITHOUT_VERSION = {
    "POST /api/v1/identity/people/{person_id}/unlock": "ends a lockout, whatever the record's version",
    "POST /api/v1/identity/people/{person_id}/session-ends": "ends sessions, whatever the record's version",
    "POST /api/v1/identity/people/{person_id}/identity-proofs": "adds a proof, and overwrites nothing",
    "POST /api/v1/changes/{change_id}/use": "takes what was approved by its digest",
    "POST /api/v1/characteristics/{characteristic}/specifications": "adds a version, and overwrites none",
    "POST /api/v1/characteristics/{characteristic}/specifications/{version}/approval": "the version is in its path",
    "POST /api/v1/quality/charts/{chart}/limits": "adds a version, and overwrites none",
}
WITHOUT_PAGES = {
    "GET /api/v1/lines": "as many as the plant's page has",
    "GET /api/v1/readings/latest": "one a sensor of the plant's page",
    "GET /api/v1/quality/rules": "as many as the program has",
    "GET /api/v1/lines/{line}/micro-stops": "a figure and what it is made of, of 100 days at most",
    "GET /api/v1/series/downsampled": "10,000 buckets at most",
    "GET /api/v1/signatures/{signature_id}/records": "as many as were signed at once, 200 at most",
}
ANY_TIME = {
    "GET /api/v1/quality/checks": "a page of them, by their index",
    "GET /api/v1/quality/charts/{chart}": "a page of them, by their index",
    "GET /api/v1/quality/charts/{chart}/capability": "the last 1,000 of that time",
    "GET /api/v1/audit/events": "a page of them, by their index",
}
BY_TIME = {"GET /api/v1/readings": "after"}  # whose cursor is a time
BOUNDLESS = {
    "POST /api/v1/audit/journal body": "lines, of which a body holds a MiB",
}
RECORD = "00000000-0000-7000-8000-000000000000"
PATH = {"role": "operator", "file": "manifest.json", "number": "1", "version": "1", "line": "line-1"}
QUERY = {
    "line": "line-1",
    "sensor": "press-1.temperature",
    "from": "1990-01-01T00:00:00Z",
    "to": "2100-01-01T00:00:00Z",
    "characteristic": "housing-100.bore",
}

A_DAY = {"from": "2026-01-05T00:00:00Z", "to": "2026-01-06T00:00:00Z"}


def is_update(name: str) -> bool:
    """Does it change a record that has versions?"""
    return name in WRITES and "{" in name and "version" in fields_of(ROUTES[name])


def is_list(name: str) -> bool:
    return name.startswith("GET ") and bool({"items", "next"} & set(fields_of(ROUTES[name])))


def has_range(name: str) -> bool:
    return "from" in parameters(ROUTES[name], "query")


UPDATES = [name for name in ROUTES if is_update(name)]
LISTS = [name for name in ROUTES if is_list(name)]
RANGES = [name for name in ROUTES if has_range(name)]
BODIES = [
    f"{method.upper()} {path}"
    for path, operations in APP.openapi()["paths"].items()
    for method, operation in operations.items()
    if "requestBody" in operation
]


@dataclass
class Door:
    """The API, and somebody for each permission who may."""

    app: FastAPI
    client: httpx.AsyncClient
    admin: psycopg.Connection
    _known: dict[frozenset[Permission], Caller] = field(default_factory=dict)

    async def ask(
        self,
        name: str,
        headers: dict[str, str] | None = None,
        *,
        content: bytes = b"{}",
        query: dict[str, str] | None = None,
    ) -> httpx.Response:
        """As somebody who may; a read needs no content."""
        needed = frozenset(permissions(ROUTES[name]))
        if needed not in self._known:
            self._known[needed] = who_may(self.app, self.admin, needed)[0]
        method, path = name.split(" ")
        wanted = parameters(ROUTES[name], "query")
        return await self.client.request(
            method,
            re.sub(r"\{(\w+)\}", lambda match: PATH.get(match[1], RECORD), path),
            params={key: value for key, value in (QUERY | (query or {})).items() if key in wanted},
            content=None if method == "GET" else content,
            headers={"Content-Type": "application/json"} | self._known[needed].authorization | (headers or {}),
        )


@pytest.fixture
async def door(variables: dict[str, str], admin: psycopg.Connection) -> AsyncIterator[Door]:
    patient = {"KOJO_MES_API_KEYS": API_KEYS, "KOJO_MES_DATABASE_DEADLINE": "60"}
    app = create_app(ApiSettings(**fields(variables | patient)))
    async with client_of(app) as client:
        del client.headers["Authorization"]
        yield Door(app, client, admin)


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("type", "").removeprefix("urn:kojo:problem:")


def names(answer: httpx.Response, field: str) -> bool:
    """Is it a 422 that names this field?"""
    faults = answer.json().get("errors", ()) if answer.status_code == 422 else ()
    return field in {fault["field"] for fault in faults}


async def test_every_write_asks_for_a_key(door: Door) -> None:
    keyless = {name for name in WRITES if not names(await door.ask(name, {"If-Match": '"1"'}), "Idempotency-Key")}
    assert keyless == set(WITHOUT_KEY)


async def test_every_change_of_a_record_asks_for_its_version(door: Door) -> None:
    unversioned = {
        name for name in UPDATES if kind(await door.ask(name, {"Idempotency-Key": new_id()})) != (428, "version-needed")
    }
    assert unversioned == set(WITHOUT_VERSION) & set(UPDATES)
    assert set(WITHOUT_VERSION) <= set(UPDATES)


async def test_every_list_comes_in_pages(door: Door) -> None:
    whole = {name for name in LISTS if not {"limit", "cursor"} <= set(parameters(ROUTES[name], "query"))}
    assert whole - set(BY_TIME) == set(WITHOUT_PAGES)
    for name in set(LISTS) - set(WITHOUT_PAGES):
        for wrong in ("0", "10001"):
            assert names(await door.ask(name, query=A_DAY | {"limit": wrong}), "limit"), name
        cursor = BY_TIME.get(name, "cursor")
        assert names(await door.ask(name, query=A_DAY | {cursor: "no cursor"}), cursor), name


async def test_every_range_of_time_has_a_bound(door: Door) -> None:
    unbounded = {name for name in RANGES if not names(await door.ask(name), "to")}
    assert unbounded == set(ANY_TIME)


async def test_every_body_has_a_bound(door: Door) -> None:
    """Whoever asks: it is refused by its length, before anything else of it is looked at."""
    assert BODIES
    for name in BODIES:
        answer = await door.ask(name, content=b" " * (LARGEST_BODY + 1))
        assert kind(answer) == (413, "body-too-large"), name


def test_every_value_of_a_request_has_a_bound() -> None:
    document = APP.openapi()
    schemas = document["components"]["schemas"]
    unbounded = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            name = f"{method.upper()} {path}"
            for parameter in operation.get("parameters", ()):
                unbounded += [f"{name} {parameter['name']}{where}" for where in boundless(parameter["schema"], schemas)]
            for content in operation.get("requestBody", {}).get("content", {}).values():
                unbounded += [f"{name} body{where}" for where in boundless(content["schema"], schemas)]
    assert set(unbounded) == set(BOUNDLESS)


def boundless(schema: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    """Paths of texts, numbers and lists that may be of any size. Recursive schemas there are none."""
    if "$ref" in schema:
        yield from boundless(schemas[schema["$ref"].rpartition("/")[2]], schemas)
        return
    for choice in schema.get("anyOf", ()):
        yield from boundless(choice, schemas)
    match schema.get("type"):
        case "string" if not ({"maxLength", "enum", "const", "format"} & set(schema) or has_end(schema)):
            yield ""
        case "integer" | "number" if not (LEAST & set(schema) and MOST & set(schema)):
            yield ""
        case "array":
            if "maxItems" not in schema:
                yield "[]"
            yield from (f"[]{where}" for where in boundless(schema["items"], schemas))
        case "object":
            if "properties" not in schema and "propertyNames" not in schema:
                yield "{}"
            for name, inner in schema.get("properties", {}).items():
                yield from (f".{name}{where}" for where in boundless(inner, schemas))


LEAST, MOST = {"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}


def has_end(schema: dict[str, Any]) -> bool:
    """A pattern that repeats nothing without end."""
    pattern = re.sub(r"\\.|\[[^]]*\]", "x", schema.get("pattern", "^x*$"))
    return pattern.startswith("^") and pattern.endswith("$") and not re.search(r"[*+]|,\}", pattern)


@pytest.mark.parametrize("name", BODIES)
def test_every_body_has_an_example_that_is_one(name: str) -> None:
    method, path = name.split(" ")
    document = APP.openapi()
    (content,) = document["paths"][path][method.lower()]["requestBody"]["content"].values()
    schema = content["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert schema["examples"]
    body = ROUTES[name].body_field
    if body is None:  # lines of text, which the route reads by itself
        return
    for example in schema["examples"]:
        _value, errors = body.validate(example, {}, loc=("body",))
        assert not errors, errors
