"""New secrets are strong, and fit wherever they are written."""

from __future__ import annotations

import re
import subprocess

import bcrypt
import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_secrets import (
    GENERATORS,
    generate_missing,
    secret_faults,
)

SIGNING_KEYS = ("mes_journal_signing_key", "mes_seal_key")


def test_every_name_gets_a_value_of_its_own() -> None:
    made = generate_missing({})
    assert set(made) == set(GENERATORS)
    assert len(set(made.values())) == len(made)


def test_tokens_are_long_and_need_no_quotes() -> None:
    for name, value in generate_missing(dict.fromkeys(("bcrypt_salt", *SIGNING_KEYS), "there")).items():
        assert re.fullmatch(r"[A-Za-z0-9]{40}", value), name


def test_bcrypt_takes_the_salt_unchanged() -> None:
    for _ in range(50):
        salt = f"$2b$04${generate_missing({})['bcrypt_salt']}"
        # a salt with stray bits comes back changed
        assert bcrypt.hashpw(b"password", salt.encode()).decode().startswith(salt)


def test_what_is_there_stays() -> None:
    made = generate_missing({name: "" for name in GENERATORS if name != "metrics_password"})
    assert list(made) == ["metrics_password"]


def test_generated_secrets_pass_preflight() -> None:
    assert list(secret_faults(generate_missing({}))) == []


@pytest.mark.parametrize(
    "value", ["changeme", "CHANGE_ME", "Change-Me!", "<your password>", "password123", "aaaaaaaaaaaaaaaa"]
)
def test_placeholders_do_not(value: str) -> None:
    faults = list(secret_faults({**generate_missing({}), "metrics_password": value}))
    assert [(fault.key, fault.problem) for fault in faults] == [("plant_secrets.metrics_password", "is a placeholder")]


@pytest.mark.parametrize("name", SIGNING_KEYS)
def test_a_signing_key_is_one_that_openssl_reads(name: str) -> None:
    pem = generate_missing({})[name]
    said = subprocess.run(["openssl", "pkey", "-noout", "-text"], input=pem, check=True, capture_output=True, text=True)
    assert said.stdout.startswith("ED25519 Private-Key")
    assert list(secret_faults(generate_missing({}))) == []


@pytest.mark.parametrize("name", SIGNING_KEYS)
def test_a_signing_key_that_is_no_key_is_named(name: str) -> None:
    (fault,) = secret_faults(generate_missing({}) | {name: "no key, but long enough"})
    assert fault.key == f"plant_secrets.{name}"
    assert "PEM" in fault.problem
