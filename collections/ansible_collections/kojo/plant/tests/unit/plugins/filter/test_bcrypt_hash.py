"""The oracle: test vectors that come with Openwall's crypt_blowfish."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kojo.plant.plugins.filter.bcrypt_hash import bcrypt_hash


@pytest.mark.parametrize(
    ("password", "salt", "tail"),
    [
        ("U*U", "CCCCCCCCCCCCCCCCCCCCC.", "E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        ("U*U*", "CCCCCCCCCCCCCCCCCCCCC.", "VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
        ("U*U*U", "XXXXXXXXXXXXXXXXXXXXXO", "AcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
    ],
)
def test_published_vectors(password: str, salt: str, tail: str) -> None:
    assert bcrypt_hash(password, salt) == f"$2b$05${salt}{tail}"


def test_cost_is_in_the_hash() -> None:
    assert bcrypt_hash("U*U", "CCCCCCCCCCCCCCCCCCCCC.", rounds=4).startswith("$2b$04$CCCCCCCCCCCCCCCCCCCCC.")


@pytest.mark.parametrize("salt", ["", "short", "abcdefghijklmnopqrstu!"])
def test_bad_salt_names_the_secret(salt: str) -> None:
    with pytest.raises(AnsibleFilterError, match="bcrypt_salt"):
        bcrypt_hash("U*U", salt)


@pytest.mark.parametrize("rounds", [3, 32])
def test_bad_cost(rounds: int) -> None:
    with pytest.raises(AnsibleFilterError, match="from 4 to 31"):
        bcrypt_hash("U*U", "CCCCCCCCCCCCCCCCCCCCC.", rounds)
