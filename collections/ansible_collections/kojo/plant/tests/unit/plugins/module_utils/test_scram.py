"""SCRAM verifiers against ones that PostgreSQL itself made."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.kojo.plant.plugins.module_utils.scram import matches, verifier

# select rolpassword from pg_authid, after CREATE ROLE probe PASSWORD 'correct horse' on PostgreSQL 17
KEPT_BY_POSTGRESQL = (
    "SCRAM-SHA-256$4096:2lbQOjkuep1BugNxGRz2Bg==$"
    "shvFBz+Fv3+zvRGkeHC1iNFaOSjMH8gqUvdYyt3qyUs=:D25UUXf/V/MSCylV8WAyiW4GLV3lHcA9TDmarETtKgA="
)


def test_postgresqls_own_verifier_matches_its_password() -> None:
    assert matches("correct horse", KEPT_BY_POSTGRESQL)


@pytest.mark.parametrize("password", ["", "correct hors", "Correct horse", "correct horse "])
def test_it_matches_no_other_password(password: str) -> None:
    assert not matches(password, KEPT_BY_POSTGRESQL)


@pytest.mark.parametrize(
    "kept", [None, "", "md5d41d8cd98f00b204e9800998ecf8427e", "SCRAM-SHA-256$4096", "correct horse"]
)
def test_what_is_no_verifier_matches_nothing(kept: str | None) -> None:
    assert not matches("correct horse", kept)


def test_the_same_salt_makes_the_same_verifier() -> None:
    salt = base64.b64decode(KEPT_BY_POSTGRESQL.split("$")[1].split(":")[1])
    assert verifier("correct horse", salt) == KEPT_BY_POSTGRESQL


def test_every_verifier_has_its_own_salt() -> None:
    assert verifier("x") != verifier("x")


def test_a_password_that_would_need_normalising_is_refused() -> None:
    with pytest.raises(ValueError, match="ASCII"):
        verifier("工場")
