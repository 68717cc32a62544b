"""`kojo-mes check`: would a process start and reach what it needs? All faults in one run."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator

import psycopg
from fpdf import FPDF
from redis.exceptions import RedisError

from kojo_mes.identity.oidc import Provider, trust
from kojo_mes.kit.cache import Cache
from kojo_mes.kit.paper import FontMissing, use_font
from kojo_mes.kit.problems import Problem
from kojo_mes.kit.settings import (
    DatabaseSettings,
    OidcSettings,
    PaperSettings,
    PlantSettings,
    RedisSettings,
    S,
    Settings,
    SettingsError,
    WriterSettings,
    load,
)
from kojo_mes.lines.plant import PlantError, read_plant


def check(kind: type[Settings]) -> list[str]:
    """The faults of a process's settings, then of the connections whose own settings are right."""
    faults = _settings_faults(kind)
    if tls := _valid(Settings):
        faults += _certificate_faults(tls)
    if issubclass(kind, DatabaseSettings) and (database := _valid(_login(kind))):
        faults += _database_faults(database)
    if issubclass(kind, RedisSettings) and (redis := _valid(RedisSettings)):
        faults += asyncio.run(_redis_faults(redis))
    if issubclass(kind, PlantSettings) and (page := _valid(PlantSettings)):
        faults += _plant_faults(page)
    if issubclass(kind, PaperSettings) and (paper := _valid(PaperSettings)):
        faults += _font_faults(paper)
    if issubclass(kind, OidcSettings) and (oidc := _valid(OidcSettings)) and oidc.oidc_issuer:
        faults += asyncio.run(_provider_faults(oidc))
    return faults


def _settings_faults(kind: type[Settings]) -> list[str]:
    try:
        load(kind)
    except SettingsError as error:
        return error.faults
    return []


def _valid(kind: type[S]) -> S | None:
    """These settings alone, unless they are themselves at fault."""
    try:
        return kind()
    except ValueError:
        return None


def _login(kind: type[DatabaseSettings]) -> type[DatabaseSettings]:
    return WriterSettings if issubclass(kind, WriterSettings) else kind


def _certificate_faults(settings: Settings) -> Iterator[str]:
    if settings.tls_certificate:
        try:
            context = ssl.create_default_context(cafile=settings.tls_ca)
            context.load_cert_chain(settings.tls_certificate, settings.tls_key)
        except (ssl.SSLError, OSError) as error:
            yield (
                f"KOJO_MES_TLS_CERTIFICATE, KOJO_MES_TLS_KEY, KOJO_MES_TLS_CA: {error}; "
                "give a certificate, its own key and its CA, all PEM"
            )


def _database_faults(settings: DatabaseSettings) -> Iterator[str]:
    try:
        with psycopg.connect(settings.conninfo()) as connection:
            connection.execute("SELECT 1 FROM mes.line LIMIT 1")
    except psycopg.errors.UndefinedTable:
        yield "database: the schema is missing; run `kojo-mes migrate`"
    except psycopg.Error as error:
        yield f"database: {' '.join(str(error).split())}"


async def _redis_faults(settings: RedisSettings) -> list[str]:
    cache = Cache(settings)
    try:
        await cache.ping()
    except (RedisError, OSError) as error:
        return [f"redis: {error}"]
    finally:
        await cache.close()
    return []


def _font_faults(settings: PaperSettings) -> Iterator[str]:
    try:
        use_font(FPDF(), settings.pdf_font)
    except FontMissing as error:
        yield str(error)


async def _provider_faults(settings: OidcSettings) -> list[str]:
    try:
        await Provider(settings, b"", trust(settings)).discover()
    except Problem as problem:
        why = " ".join(str(problem.__cause__).split())
        return [f"KOJO_MES_OIDC_ISSUER: no OpenID provider answers at {settings.oidc_issuer}: {why}"]
    return []


def _plant_faults(settings: PlantSettings) -> list[str]:
    try:
        read_plant(settings.plant_file)
    except PlantError as error:
        return error.faults
    return []
