"""A plant in small: real PostgreSQL and Redis, the API in this process, its database fresh for each test."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import servers
from fastapi import FastAPI
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis

from kojo_mes.api import create_app
from kojo_mes.kit.logging import configure
from kojo_mes.kit.settings import ApiSettings, ExporterSettings, MigrationSettings
from kojo_mes.lines.plant import Plant, read_plant
from kojo_mes.migrate import migrate

DEVICE_KEY, OPERATOR_KEY = "key-of-a-device", "key-of-an-operator"
KEYS = {
    "device": {"sha256": hashlib.sha256(DEVICE_KEY.encode()).hexdigest(), "role": "device"},
    "operator": {"sha256": hashlib.sha256(OPERATOR_KEY.encode()).hexdigest(), "role": "operator"},
}
PLANT_FILE = Path(__file__).parent / "plant.json"
TEMPLATE = "kojo_template"

# rules are tried, not the machine's speed; a failure prints what replays it
hypothesis.register_profile("kojo", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
hypothesis.load_profile("kojo")


@pytest.fixture(autouse=True)
def logs() -> None:
    """As in the processes, whatever a command that ran in a test before made of it."""
    configure("tests")


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Postgres]:
    with servers.postgres(in_memory=True) as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[servers.Redis]:
    with servers.redis_with_sentinel() as server:
        yield server


@pytest.fixture(scope="session")
def plant() -> Plant:
    return read_plant(PLANT_FILE)


def environment(postgres: servers.Postgres, database: str, redis_port: int = 1) -> dict[str, str]:
    """The variables of a developer's plant, without TLS."""
    return {
        "KOJO_MES_ENVIRONMENT": "development",
        "KOJO_MES_DATABASE_HOSTS": f"127.0.0.1:{postgres.port}",
        "KOJO_MES_DATABASE_NAME": database,
        "KOJO_MES_DATABASE_PASSWORD": servers.PASSWORD,
        "KOJO_MES_DATABASE_DEADLINE": "60",  # the machine may be busy
        "KOJO_MES_DATABASE_CONNECT_TIMEOUT": "30",
        "KOJO_MES_READ_PASSWORD": servers.PASSWORD,
        "KOJO_MES_MIGRATION_PASSWORD": servers.PASSWORD,
        "KOJO_MES_REDIS_SENTINELS": f"127.0.0.1:{redis_port}",
        "KOJO_MES_REDIS_PASSWORD": servers.PASSWORD,
        "KOJO_MES_SENTINEL_PASSWORD": servers.PASSWORD,
        "KOJO_MES_API_KEYS": json.dumps(KEYS),
        "KOJO_MES_TOKEN_SECRET": servers.PASSWORD,
        "KOJO_MES_PLANT_FILE": str(PLANT_FILE),
        "KOJO_MES_CLOCK_CHECK": "off",  # nobody disciplines the clock of a build machine
    }


def fields(variables: dict[str, str]) -> dict[str, Any]:
    return {name.removeprefix("KOJO_MES_").lower(): value for name, value in variables.items()}


@pytest.fixture(scope="session")
def template(postgres: servers.Postgres, plant: Plant) -> str:
    postgres.create(TEMPLATE)
    migrate(MigrationSettings(**fields(environment(postgres, TEMPLATE))), plant)
    return TEMPLATE


@pytest.fixture
def empty_database(postgres: servers.Postgres) -> Iterator[str]:
    with postgres.database() as name:
        yield name


@pytest.fixture
def database(postgres: servers.Postgres, template: str) -> Iterator[str]:
    """Migrated, with the plant's lines, without readings."""
    with postgres.database(template) as name:
        yield name


@pytest.fixture
def variables(postgres: servers.Postgres, database: str, redis: servers.Redis) -> dict[str, str]:
    with redis.client() as client:
        client.flushall()
    return environment(postgres, database, redis.sentinel_port)


@pytest.fixture
def settings(variables: dict[str, str]) -> ApiSettings:
    return ApiSettings(**fields(variables))


@pytest.fixture
def exporter_settings(variables: dict[str, str]) -> ExporterSettings:
    return ExporterSettings(**fields(variables), refresh_interval=0.2)


@pytest.fixture
def admin(postgres: servers.Postgres, database: str) -> Iterator[psycopg.Connection]:
    """The tests' own eye and hand in the database."""
    with postgres.connect(database) as connection:
        yield connection


@contextlib.asynccontextmanager
async def client_of(app: FastAPI, key: str = DEVICE_KEY) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport, base_url="http://test", headers={"Authorization": f"Bearer {key}"}
        ) as client,
    ):
        yield client


@pytest.fixture
async def client(settings: ApiSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(settings)) as client:
        yield client


@pytest.fixture
def reading() -> Callable[..., dict[str, Any]]:
    """Readings that differ in time, from some seconds ago on."""
    start = datetime.now(UTC) - timedelta(seconds=15)
    times = (start + timedelta(milliseconds=number) for number in itertools.count())

    def make(sensor: str = "press-1.temperature", value: Any = 61.5, **more: Any) -> dict[str, Any]:
        return {"sensor": sensor, "time": next(times).isoformat(), "value": value, **more}

    return make


def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


async def send(client: httpx.AsyncClient, *readings: dict[str, Any], **headers: str) -> httpx.Response:
    return await client.post("/api/v1/readings", json={"readings": readings}, headers=headers or key())


def stored(admin: psycopg.Connection) -> int:
    row = admin.execute("SELECT count(*) FROM mes.reading").fetchone()
    assert row
    return int(row[0])
