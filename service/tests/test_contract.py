"""The API keeps to its OpenAPI document, whoever asks and however wrongly: schemathesis makes the requests.

The same ones at each run; `make fuzz` (tools/fuzz) makes more, and others each time."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import uuid
import zlib
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import schemathesis
import servers
from authority import seal_key
from callers import API_KEYS, Caller, who_may
from conftest import environment, fields
from fastapi import FastAPI
from people import PASSWORD
from plausible import Known, furnish
from schemathesis import Case
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase
from schemathesis.specs.openapi.checks import negative_data_rejection
from starlette.types import Receive, Scope, Send
from walk import permissions, routes

from kojo_mes.api import create_app
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.settings import ApiSettings

TRUE = {"true", "1", "on", "yes", "t", "y"}  # as pydantic reads it
LOGOUT = "POST /api/v1/identity/me/logout"  # after it, its caller is nobody

EXAMPLES, SEED = os.environ.get("KOJO_FUZZ_EXAMPLES", "1"), os.environ.get("KOJO_FUZZ_SEED")
SPREAD = 1 if SEED else 8  # of the cases that walk a route's schema, one in eight: what routes share is asked of some
CONFIG = SchemathesisConfig.from_dict(
    {
        "seed": int(SEED or 1),
        "generation": {
            "max-examples": int(EXAMPLES),
            "deterministic": SEED is None,
            "database": "none",
            "no-shrink": SEED is None,
            "with-security-parameters": False,  # the callers have valid ones, `ignored_auth` takes them away
        },
        "request-timeout": 120.0,  # seconds; the default of 10 is a slow machine's fault, not the API's
        "max-stream-events": 1,  # /api/v1/live has no end
        "phases": {"stateful": {"enabled": False}},
        "checks": {
            # a schema can't say that `to` is later than `from`, or that a lot has to exist
            "positive_data_acceptance": {"enabled": False},
            # 428 is RFC 6585's answer when If-Match is missing, 404 when there is no such record either
            "missing_required_header": {"expected-statuses": [401, 403, 404, 422, 428]},
        },
    }
)


@schemathesis.serializer("application/x-ndjson")
def lines(_context: object, value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


class Present:
    """The application of the moment: its database has a port only when the tests run. Schemathesis ends an application
    with each test; this one goes on until `end`, as in a plant: to start it takes longer than to ask a route."""

    app: FastAPI

    def __init__(self) -> None:
        self._running: AsyncExitStack | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            return await self.app(scope, receive, send)
        await receive()
        if self._running is None:
            self._loop, self._running = asyncio.get_running_loop(), AsyncExitStack()
            await self._running.enter_async_context(self.app.router.lifespan_context(self.app))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return await send({"type": "lifespan.shutdown.complete"})

    def end(self) -> None:
        if self._running is not None:
            asyncio.run_coroutine_threadsafe(self._running.aclose(), self._loop).result()
            self._running = None


def document() -> dict[str, Any]:
    nowhere = {"database_hosts": "127.0.0.1:1", "redis_sentinels": "127.0.0.1:1", "api_keys": "{}"}
    return create_app(ApiSettings(**nowhere, environment="development")).openapi()  # type: ignore[arg-type]


ROUTES = re.compile(os.environ.get("KOJO_FUZZ_ROUTES", "."))
schema = schemathesis.openapi.from_dict(document(), config=CONFIG).include(
    lambda context: bool(ROUTES.search(context.operation.label))
)
schema.app = Present()


def improve(case: Case[Any], caller: Caller, known: Known | None) -> None:
    """What is valid in it stays valid. Each write has a key of its own, or most would be repeats; with `known` it is
    about records that there are."""
    meta = case.meta
    assert meta

    def untouched(location: ParameterLocation) -> bool:
        return not meta.is_negative_at(location)

    if untouched(ParameterLocation.HEADER) and "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = new_id()
    if known is None:
        return
    if untouched(ParameterLocation.HEADER) and "If-Match" in (case.headers or {}):
        case.headers["If-Match"] = '"1"'
    if untouched(ParameterLocation.PATH):
        case.path_parameters = {name: known.get(name, value) for name, value in (case.path_parameters or {}).items()}
    if untouched(ParameterLocation.QUERY):
        case.query = {name: known.get(name, value) for name, value in (case.query or {}).items()}
    if untouched(ParameterLocation.BODY):
        case.body = of_this_plant(case.body, caller, known)


def of_this_plant(value: Any, caller: Caller, known: Known) -> Any:
    if isinstance(value, list):
        return [of_this_plant(item, caller, known) for item in value]
    if not isinstance(value, dict):
        return value
    if {"password", "role"} <= set(value) and caller.person:
        return {"user_name": caller.person.user_name, "password": PASSWORD, "role": caller.role}
    return {
        name: known[name] if name in known and isinstance(item, str) else of_this_plant(item, caller, known)
        for name, item in value.items()
    }


@dataclass
class Plant:
    """Each route has callers of its own: what one route's do to their accounts is not in the others' way."""

    app: FastAPI
    admin: psycopg.Connection
    known: Known
    _callers: dict[str, Iterator[Caller]] = field(default_factory=dict)
    _walked: dict[str, Iterator[int]] = field(default_factory=dict)
    _turn: Iterator[bool] = field(default_factory=lambda: itertools.cycle([True, True, False]))

    def __post_init__(self) -> None:
        self._needed = {name: permissions(route) for name, route in routes(self.app)}

    def due(self, case: Case[Any]) -> bool:
        """Each route begins at another case, the same one at each run."""
        if case.meta is None or case.meta.phase.name is not TestPhase.COVERAGE:
            return True
        label = case.operation.label
        number = next(self._walked.setdefault(label, itertools.count(zlib.crc32(label.encode()))))
        return number % SPREAD == 0

    def ask(self, case: Case[Any]) -> None:
        label = case.operation.label
        if label == LOGOUT or label not in self._callers:
            self._callers[label] = itertools.cycle(who_may(self.app, self.admin, self._needed[label]))
        caller = next(self._callers[label])
        improve(case, caller, self.known if next(self._turn) else None)
        # a batch with partial=true lists what is no reading, and takes the others
        lenient = label == "POST /api/v1/readings" and str((case.query or {}).get("partial")).lower() in TRUE
        case.call_and_validate(
            headers=caller.authorization, excluded_checks=[negative_data_rejection] if lenient else []
        )


@pytest.fixture(scope="module")
def settings_of_plant(
    postgres: servers.Postgres, template: str, redis: servers.Redis, tmp_path_factory: pytest.TempPathFactory
) -> ApiSettings:
    database = f"test_{uuid.uuid4().hex}"
    postgres.create(database, template)
    folder: Path = tmp_path_factory.mktemp("seals")
    variables = environment(postgres, database, redis.sentinel_port) | {
        "KOJO_MES_API_KEYS": API_KEYS,
        "KOJO_MES_JOURNAL_KEYS": json.dumps({"control": "ab" * 32}),
        "KOJO_MES_SEAL_KEY_FILE": str(seal_key(folder)),
        "KOJO_MES_SEAL_DIRECTORY": str(folder),
        "KOJO_MES_SILENCE_LIMIT": "1e9",  # one reading a line is enough for /health/iot
        # these are tests of answers, not of deadlines, and may run on a busy machine
        "KOJO_MES_DATABASE_DEADLINE": "60",
        "KOJO_MES_DATABASE_CONNECT_TIMEOUT": "30",
        "KOJO_MES_ACCESS_TOKEN_LIFETIME": "86400",
        "KOJO_MES_REQUEST_LIMIT": "1000000",  # tests/test_throttle.py is about these
        "KOJO_MES_REQUEST_LIMIT_UNKNOWN": "1000000",
    }
    return ApiSettings(**fields(variables))


@pytest.fixture(scope="module")
def plant_at_work(settings_of_plant: ApiSettings, postgres: servers.Postgres) -> Iterator[Plant]:
    with ExitStack() as stack:
        admin = stack.enter_context(postgres.connect(settings_of_plant.database_name))
        stack.callback(schema.app.end)
        known = asyncio.run(furnish(settings_of_plant, admin))
        schema.app.app = create_app(settings_of_plant)
        yield Plant(schema.app.app, admin, known)


@schema.parametrize()
def test_every_answer_is_as_documented(case: Case[Any], plant_at_work: Plant) -> None:
    if plant_at_work.due(case):
        plant_at_work.ask(case)
