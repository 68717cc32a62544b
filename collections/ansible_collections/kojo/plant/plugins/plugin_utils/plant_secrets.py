# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""The names of a plant's secrets, and how a new value of each is made."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping

# Letters and digits only: every configuration format that a secret ends up in takes them unquoted.
ALPHABET = string.ascii_letters + string.digits
TOKEN_LENGTH = 40

BCRYPT_ALPHABET = "./" + string.ascii_uppercase + string.ascii_lowercase + string.digits
# 22 characters of 6 bits carry a 128-bit salt, so the last one has only its upper 2 bits free.
BCRYPT_LAST = BCRYPT_ALPHABET[::16]
BCRYPT_SALT_LENGTH = 22


def _token() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(TOKEN_LENGTH))


def _bcrypt_salt() -> str:
    body = "".join(secrets.choice(BCRYPT_ALPHABET) for _ in range(BCRYPT_SALT_LENGTH - 1))
    return body + secrets.choice(BCRYPT_LAST)


GENERATORS: dict[str, Callable[[], str]] = {
    "etcd_root_password": _token,
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
    "mes_token_secret": _token,
    "bcrypt_salt": _bcrypt_salt,
}


def generate_missing(present: Mapping[str, object]) -> dict[str, str]:
    """New values for the names that PRESENT lacks."""
    return {name: make() for name, make in GENERATORS.items() if name not in present}
