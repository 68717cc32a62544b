# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""The names of a plant's secrets, how a new value of each is made, and what is wrong with those that there are."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Callable, Iterator, Mapping

from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_shape import Fault, suggestion

# Letters and digits only: every configuration format that a secret ends up in takes them unquoted.
ALPHABET = string.ascii_letters + string.digits
TOKEN_LENGTH = 40

BCRYPT_ALPHABET = "./" + string.ascii_uppercase + string.ascii_lowercase + string.digits
# 22 characters of 6 bits carry a 128-bit salt, so the last one has only its upper 2 bits free.
BCRYPT_LAST = BCRYPT_ALPHABET[::16]
BCRYPT_SALT_LENGTH = 22

# nothing that a person or a generator meant as a secret is shorter
SHORTEST = 16
PLACEHOLDER = re.compile(r"(change.?me|placeholder|example|password|secret|to.?do|<.*>|(.)\2*)[0-9!]*", re.IGNORECASE)
REMEDY = "run `make secrets PLANT=<its directory>`, which adds what is missing, or set it with ansible-vault"


def _token() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(TOKEN_LENGTH))


def _bcrypt_salt() -> str:
    body = "".join(secrets.choice(BCRYPT_ALPHABET) for _ in range(BCRYPT_SALT_LENGTH - 1))
    return body + secrets.choice(BCRYPT_LAST)


def _signing_key() -> str:
    """An Ed25519 key (RFC 8032) as PEM, PKCS 8."""
    # preflight only names the secrets; who makes them has cryptography
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


GENERATORS: dict[str, Callable[[], str]] = {
    "etcd_root_password": _token,
    "etcd_patroni_password": _token,
    "postgresql_superuser_password": _token,
    "postgresql_replicator_password": _token,
    "postgresql_rewind_password": _token,
    "postgresql_owner_password": _token,
    "postgresql_app_password": _token,
    "postgresql_read_password": _token,
    "postgresql_audit_password": _token,
    "postgresql_exporter_password": _token,
    "patroni_rest_password": _token,
    "pgbackrest_cipher_password": _token,
    "redis_admin_password": _token,
    "redis_app_password": _token,
    "redis_replica_password": _token,
    "redis_exporter_password": _token,
    "redis_sentinel_password": _token,
    "mosquitto_gateway_password": _token,
    "mosquitto_device_password_seed": _token,
    "haproxy_stats_password": _token,
    "metrics_password": _token,
    "prometheus_web_password": _token,
    "alertmanager_web_password": _token,
    "grafana_admin_password": _token,
    "mes_simulator_key": _token,
    "mes_journal_key": _token,
    "mes_gate_key": _token,
    "mes_smoke_key": _token,
    "mes_escrow_key": _token,
    "mes_token_secret": _token,
    "mes_seal_key": _signing_key,
    "mes_journal_signing_key": _signing_key,
    "bcrypt_salt": _bcrypt_salt,
}
# given by somebody outside the plant, where there is one: an OpenID provider
OPTIONAL = ("mes_oidc_client_secret",)


def generate_missing(present: Mapping[str, object]) -> dict[str, str]:
    """New values for the names that PRESENT lacks."""
    return {name: make() for name, make in GENERATORS.items() if name not in present}


def secret_faults(present: object) -> Iterator[Fault]:
    """What is wrong with a plant's secrets. No message holds a value."""
    if present is None:
        yield Fault("plant_secrets", "is missing", REMEDY)
    elif not isinstance(present, Mapping):
        yield Fault("plant_secrets", "is not a dictionary", REMEDY)
    else:
        for name in present:
            if name not in (*GENERATORS, *OPTIONAL):
                yield Fault(f"plant_secrets.{name}", "is an unknown key", suggestion(name, (*GENERATORS, *OPTIONAL)))
        for name in (*GENERATORS, *(name for name in OPTIONAL if name in present)):
            problem = _problem(name, present[name]) if name in present else "is missing"
            if problem:
                yield Fault(f"plant_secrets.{name}", problem, f"remove it and {REMEDY}" if name in present else REMEDY)


def _problem(name: str, value: object) -> str | None:
    if not isinstance(value, str):
        return "is not a text"
    if not value.strip():
        return "is empty"
    if PLACEHOLDER.fullmatch(value):
        return "is a placeholder"
    if len(value) < SHORTEST:
        return f"is shorter than {SHORTEST} characters"
    if name == "bcrypt_salt" and not re.fullmatch(r"[./A-Za-z0-9]{21}[.Oeu]", value):
        return "is not 22 characters of bcrypt's alphabet ending in one of .Oeu"
    if GENERATORS.get(name) is _signing_key and not value.startswith("-----BEGIN PRIVATE KEY-----"):
        return "is not a private key in PEM (PKCS 8)"
    return None
