"""Settings from KOJO_MES_* variables: wrong ones are all named at once, before anything starts."""

from __future__ import annotations

import difflib
import hmac
import ipaddress
import os
import re
import secrets
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from psycopg.conninfo import make_conninfo
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "KOJO_MES_"
SHORTEST_SECRET = 16
EPHEMERAL = secrets.token_bytes(32)


class Environment(StrEnum):
    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"


class Role(StrEnum):
    """What the holder of an API key may do."""

    DEVICE = "device"  # sends readings, and reads
    OPERATOR = "operator"  # reads
    JOURNAL = "journal"  # sends the lines of an audit journal
    GATE = "gate"  # asks whether a change is authorised, and uses it up
    ESCROW = "escrow"  # keeps copies of seals, journals and archives on another host


class Endpoint(NamedTuple):
    host: str
    port: int


class ApiKey(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    role: Role
    lines: frozenset[str] = frozenset()  # that a device's key speaks for: all of a line,
    equipment: frozenset[str] = frozenset()  # all of a piece of equipment,
    sensors: frozenset[str] = frozenset()  # or a sensor, by its name

    @property
    def is_bound(self) -> bool:
        return bool(self.lines or self.equipment or self.sensors)


JournalKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # an Ed25519 public key's 32 bytes


class SettingsError(Exception):
    """The settings are wrong; every fault has its variable and its remedy."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _endpoints(value: object) -> object:
    if not isinstance(value, str):
        return value
    endpoints = []
    for item in value.split(","):
        match = re.fullmatch(r"\s*\[?([^\s\[\]]+?)\]?:(\d{1,5})\s*", item)
        if not match or not 0 < int(match[2]) < 65536:
            raise ValueError(f"{item.strip()!r} is not host:port; write host:port,host:port")
        endpoints.append(Endpoint(match[1], int(match[2])))
    return tuple(endpoints)


def _addresses(value: object) -> object:
    if not isinstance(value, str):
        return value
    addresses = tuple(item.strip() for item in value.split(","))
    for item in addresses:
        try:
            ipaddress.ip_address(item)
        except ValueError:
            raise ValueError(f"{item!r} is not an IP address; write address,address") from None
    return addresses


def _strong(value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    """A weak or missing secret is a fault everywhere but on a developer's machine."""
    if info.data.get("environment") is Environment.DEVELOPMENT:
        return value
    secret = value.get_secret_value() if value else ""
    if len(secret) < SHORTEST_SECRET or len(set(secret)) < SHORTEST_SECRET // 2:
        raise ValueError(f"is missing or weak; give at least {SHORTEST_SECRET} random characters")
    return value


def _bound(keys: dict[str, ApiKey], info: ValidationInfo) -> dict[str, ApiKey]:
    """One stolen key must not speak for the whole plant."""
    senders = {name for name, key in keys.items() if key.role is Role.DEVICE}
    if idle := sorted(name for name, key in keys.items() if key.is_bound and name not in senders):
        raise ValueError(f"{', '.join(idle)}: only keys of the role device have lines, equipment or sensors")
    loose = sorted(name for name in senders if not keys[name].is_bound)
    if loose and info.data.get("environment") is not Environment.DEVELOPMENT:
        raise ValueError(
            f"{', '.join(loose)}: give lines, equipment or sensors that the key speaks for, or register a device"
        )
    return keys


def _readable(value: Path | None, info: ValidationInfo) -> Path | None:
    if value is None:
        if info.data.get("environment") is Environment.DEVELOPMENT:
            return None
        raise ValueError("is missing; every listener and connection of a plant uses TLS")
    if not os.access(value, os.R_OK) or not value.is_file():
        raise ValueError(f"{value} is not a file that this process can read")
    return value


def _seal_key(value: Path | None, info: ValidationInfo) -> Path | None:
    if value is None and info.data.get("environment") is not Environment.DEVELOPMENT:
        raise ValueError("is missing; the audit trail is sealed with it")
    if value is None:
        return None
    from kojo_mes.kit.keys import Signer  # only who seals needs cryptography

    Signer.of_file(value)
    return value


def _directory(value: Path | None, info: ValidationInfo) -> Path | None:
    if value is None:
        if info.data.get("environment") is Environment.DEVELOPMENT:
            return None
        raise ValueError("is missing; what must outlast the database is written there")
    if not value.is_dir() or not os.access(value, os.R_OK | os.W_OK | os.X_OK):
        raise ValueError(f"{value} is not a directory that this process can write to")
    return value


Endpoints = Annotated[tuple[Endpoint, ...], NoDecode, BeforeValidator(_endpoints)]
Secret = Annotated[SecretStr | None, AfterValidator(_strong), Field(validate_default=True)]
TlsFile = Annotated[Path | None, AfterValidator(_readable), Field(validate_default=True)]
Directory = Annotated[Path | None, AfterValidator(_directory), Field(validate_default=True)]


class Settings(BaseSettings):
    """Common to all processes. Each subclass stands alone, so that one can be checked when another is wrong."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    environment: Environment = Environment.PRODUCTION  # first: the rules of the others ask for it
    tls_certificate: TlsFile = None
    tls_key: TlsFile = None
    tls_ca: TlsFile = None

    @field_validator("tls_ca")
    @classmethod
    def _all_or_none(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        present = {bool(info.data[name]) for name in ("tls_certificate", "tls_key") if name in info.data}
        if len(present | {bool(value)}) > 1:
            raise ValueError("TLS_CERTIFICATE, TLS_KEY and TLS_CA are given together or not at all")
        return value


class DatabaseSettings(Settings):
    """How the primary is found; who logs in is a subclass's matter."""

    database_hosts: Endpoints
    database_name: str = "kojo"
    database_connect_timeout: PositiveInt = 2
    database_tcp_user_timeout: PositiveInt = 5000
    database_deadline: PositiveFloat = 10.0
    database_pool_size: PositiveInt = 8

    def credentials(self) -> tuple[str, SecretStr | None]:
        raise NotImplementedError

    def conninfo(self, *, read_only: bool = False) -> str:
        """libpq tries the hosts in turn until one is the primary, so a failover needs no new settings."""
        user, password = self.credentials()
        tls = (
            {"sslmode": "verify-full", "sslrootcert": str(self.tls_ca), "ssl_min_protocol_version": "TLSv1.3"}
            if self.tls_ca
            else {}
        )
        return make_conninfo(
            host=",".join(endpoint.host for endpoint in self.database_hosts),
            port=",".join(str(endpoint.port) for endpoint in self.database_hosts),
            dbname=self.database_name,
            user=user,
            password=password.get_secret_value() if password else None,
            # a session that is read-only by its own wish is none that accepts writes
            target_session_attrs="primary" if read_only else "read-write",
            connect_timeout=self.database_connect_timeout,
            tcp_user_timeout=self.database_tcp_user_timeout,
            keepalives=1,
            keepalives_idle=2,
            keepalives_interval=1,
            keepalives_count=3,
            application_name="kojo-mes",
            options="-c TimeZone=UTC -c idle_in_transaction_session_timeout=30s"
            + (" -c default_transaction_read_only=on" if read_only else ""),
            **tls,
        )


class WriterSettings(DatabaseSettings):
    database_user: str = "kojo_app"
    database_password: Secret = None

    def credentials(self) -> tuple[str, SecretStr | None]:
        return self.database_user, self.database_password


class ReaderSettings(DatabaseSettings):
    read_user: str = "kojo_read"
    read_password: Secret = None

    def credentials(self) -> tuple[str, SecretStr | None]:
        return self.read_user, self.read_password


class PlantSettings(Settings):
    plant_file: Annotated[Path, AfterValidator(_readable), Field(validate_default=True)] = Path(
        "/etc/kojo-mes/plant.json"
    )


class MigrationSettings(DatabaseSettings, PlantSettings):
    migration_user: str = "kojo_owner"
    migration_password: Secret = None

    def credentials(self) -> tuple[str, SecretStr | None]:
        return self.migration_user, self.migration_password


class RedisSettings(Settings):
    redis_sentinels: Endpoints
    redis_master_name: str = "kojo"
    redis_username: str | None = None
    redis_password: Secret = None
    sentinel_username: str | None = None
    sentinel_password: Secret = None


class ListenSettings(Settings):
    balancers: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_addresses)] = ()  # whose X-Forwarded-For is true
    listen_address: str = "127.0.0.1"
    listen_port: Annotated[int, Field(gt=0, lt=65536)] | None = None  # each process has its own by default


class ClockCheck(StrEnum):
    """Before a signature is given its time."""

    KERNEL = "kernel"  # the kernel's clock is disciplined, and surely right within the limit
    OFF = "off"  # signatures then say that their clock was unchecked


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"{value!r} is not a time zone's name, like Asia/Tokyo") from None
    return value


class SigningSettings(Settings):
    """Of electronic signatures, and of changes that can't wait for them. Durations in seconds."""

    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    clock_check: ClockCheck = ClockCheck.KERNEL
    clock_limit: PositiveFloat = 1.0
    signing_idle_timeout: PositiveFloat = 600.0
    break_glass_validity: PositiveFloat = 4 * 3600.0
    break_glass_review: PositiveFloat = 24 * 3600.0


class SkewPolicy(StrEnum):
    """What becomes of readings whose time is beyond the skew that is allowed."""

    REFUSE = "refuse"
    FLAG = "flag"  # stored as uncertain, and counted


class ReadingSettings(Settings):
    """How far a sender's clock may be off, where its device has no policy of its own. Durations in seconds."""

    reading_skew_policy: SkewPolicy = SkewPolicy.REFUSE
    reading_skew_ahead: Annotated[float, Field(ge=0, le=3600)] = 60.0
    reading_skew_behind: Annotated[float, Field(ge=1, le=27 * 86400)] = 27 * 86400.0


class LateEntrySettings(Settings):
    """How long ago something may have happened that is entered without a reason for coming late."""

    backdating_hours: Annotated[float, Field(gt=0, le=24)] = 24.0  # the database asks for a reason after 24 h


class RateSettings(Settings):
    """How many requests of one client both hosts of the API answer in a period (seconds)."""

    request_period: PositiveFloat = 10.0
    request_limit: PositiveInt = 10_000  # of a person, device or key: half of what an edge lets through
    request_limit_unknown: PositiveInt = 300  # of an address, without a valid credential


class IdentitySettings(Settings):
    """Of logins. Durations in seconds."""

    access_token_lifetime: PositiveFloat = 600.0
    session_lifetime: PositiveFloat = 12 * 3600.0
    session_idle: PositiveFloat = 3600.0
    lockout_failures: PositiveInt = 5
    lockout_duration: PositiveFloat = 900.0
    password_age: PositiveFloat = 90 * 86400.0
    reset_lifetime: PositiveFloat = 86400.0


def _https(value: str | None, info: ValidationInfo) -> str | None:
    if value and not value.startswith("https://") and info.data.get("environment") is not Environment.DEVELOPMENT:
        raise ValueError("is to begin with https://")
    return value


Https = Annotated[str | None, AfterValidator(_https)]


class OidcSettings(Settings):
    """Of an OpenID provider, as an option: the first three together, or none."""

    oidc_issuer: Https = None
    oidc_client_id: str | None = None
    oidc_redirect_uri: Annotated[Https, Field(validate_default=True)] = None
    oidc_client_secret: SecretStr | None = None

    @field_validator("oidc_redirect_uri")
    @classmethod
    def _together(cls, value: str | None, info: ValidationInfo) -> str | None:
        given = {
            bool(value),
            *(bool(info.data[name]) for name in ("oidc_issuer", "oidc_client_id") if name in info.data),
        }
        if len(given) > 1:
            raise ValueError("OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_REDIRECT_URI are given together or not at all")
        return value


class AccountSettings(WriterSettings, IdentitySettings):
    """Of `kojo-mes user`."""


class PaperSettings(Settings):
    """How audit exports and copies of records look on paper."""

    pdf_font: Path = Path("/usr/share/fonts/opentype/ipafont-gothic/ipag.ttf")


class SealSettings(Settings):
    """What seals, audit exports and archives are signed with."""

    seal_key_file: Annotated[Path | None, AfterValidator(_seal_key), Field(validate_default=True)] = None


class AuditSettings(SealSettings, PaperSettings):
    """The audit trail's, in the API."""

    seal_directory: Directory = None
    journal_keys: Annotated[Json[dict[str, JournalKey]] | None, NoDecode] = None


class KeepingSettings(Settings):
    """Where a host keeps the archives that it made."""

    archive_directory: Directory = None


class ArchivistSettings(WriterSettings, SealSettings, KeepingSettings):
    """`kojo-mes archive due`: reads the month as the application does."""


class ArchiveSettings(DatabaseSettings, SealSettings):
    """`kojo-mes archive make`, `restore` and `detach`: act as the tables' owner."""

    migration_user: str = "kojo_owner"
    migration_password: Secret = None

    def credentials(self) -> tuple[str, SecretStr | None]:
        return self.migration_user, self.migration_password


class AuditorSettings(DatabaseSettings, SealSettings, PaperSettings):
    """`kojo-mes audit export`: reads as the auditor's login."""

    audit_user: str = "kojo_audit"
    audit_password: Secret = None

    def credentials(self) -> tuple[str, SecretStr | None]:
        return self.audit_user, self.audit_password


class ApiSettings(
    WriterSettings,
    RedisSettings,
    ListenSettings,
    SigningSettings,
    IdentitySettings,
    OidcSettings,
    AuditSettings,
    KeepingSettings,
    ReadingSettings,
    LateEntrySettings,
    RateSettings,
):
    api_keys: Annotated[Json[dict[str, ApiKey]], NoDecode, AfterValidator(_bound)]
    token_secret: Secret = None
    silence_limit: PositiveFloat = 60.0
    live_streams: PositiveInt = 200
    live_streams_each: PositiveInt = 8

    def key_for(self, purpose: str) -> bytes:
        """32 bytes of the token secret for one purpose alone. A developer's plant without one forgets at its end."""
        secret = self.token_secret.get_secret_value().encode() if self.token_secret else EPHEMERAL
        return hmac.digest(secret, purpose.encode(), "sha256")


class ExporterSettings(ReaderSettings, ListenSettings):
    refresh_interval: PositiveFloat = 5.0


ALL = (ApiSettings, AccountSettings, ArchivistSettings, AuditorSettings, ExporterSettings, MigrationSettings)
S = TypeVar("S", bound=Settings)


def load(kind: type[S]) -> S:
    """The process's settings, or one SettingsError with every fault."""
    faults = list(_unknown())
    try:
        settings = kind()
    except ValidationError as error:
        faults += [_fault(kind, item["loc"], item["type"], item["msg"]) for item in error.errors()]
    if faults:
        raise SettingsError(faults)
    return settings


def variables() -> list[str]:
    return sorted({PREFIX + name.upper() for kind in ALL for name in kind.model_fields})


def _unknown() -> Iterator[str]:
    known = variables()
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            yield f"{name}: is not a setting" + (f"; do you mean {near[0]}?" if near else "")


def _fault(kind: type[Settings], location: tuple[int | str, ...], code: str, message: str) -> str:
    variable = PREFIX + str(location[0]).upper()
    inner = "".join(f" → {part}" for part in location[1:])
    if code == "missing" and not inner:
        message = "is missing"
    return f"{variable}{inner}: {message.removeprefix('Value error, ')}"
