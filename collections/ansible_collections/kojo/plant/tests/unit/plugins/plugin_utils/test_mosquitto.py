"""The oracle of the hash: a line that mosquitto_passwd 2.0.21 wrote. tests/plant logs in at a real broker."""

from __future__ import annotations

import base64

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kojo.plant.plugins.filter.mosquitto_device_password import mosquitto_device_password
from ansible_collections.kojo.plant.plugins.filter.mosquitto_password_hash import mosquitto_password_hash
from ansible_collections.kojo.plant.plugins.plugin_utils import mosquitto

MOSQUITTOS_OWN_LINE = (
    "$7$101$FwC6uFbtjf1SvTmU$LDfTpu7M/6WBWjTz18UreUQ1Uk2VjxL+r5GTcNfPGNK2dmmqqoWyU4MADjxIa5p2kNzFdpJ050ISfUoNhryOAQ=="
)


def test_the_hash_is_mosquittos() -> None:
    salt = base64.b64decode(MOSQUITTOS_OWN_LINE.split("$")[3])
    assert mosquitto.encoded("Correct-Horse 9", salt, 101) == MOSQUITTOS_OWN_LINE


def test_the_hash_is_the_same_at_every_run() -> None:
    assert mosquitto_password_hash("secret", "gateway") == mosquitto_password_hash("secret", "gateway")


@pytest.mark.parametrize(("password", "account"), [("secret", "press-1"), ("other", "gateway")])
def test_the_salt_differs_by_account_and_password(password: str, account: str) -> None:
    def salt(line: str) -> str:
        return line.split("$")[3]

    assert salt(mosquitto_password_hash(password, account)) != salt(mosquitto_password_hash("secret", "gateway"))


def test_the_cost_is_in_the_hash() -> None:
    assert mosquitto_password_hash("secret", "gateway", 7).startswith("$7$7$")


def test_a_device_keeps_its_password_and_shares_it_with_nobody() -> None:
    passwords = {mosquitto_device_password(device, seed) for device in ("press-1", "press-2") for seed in ("a", "b")}
    assert len(passwords) == 4
    assert mosquitto_device_password("press-1", "a") in passwords


def test_a_device_password_needs_no_quotes_and_has_256_bits() -> None:
    password = mosquitto_device_password("press-1", "seed")
    assert len(base64.urlsafe_b64decode(password + "=")) == 32
    assert password.replace("-", "").replace("_", "").isalnum()


def test_a_missing_seed_is_named() -> None:
    with pytest.raises(AnsibleFilterError, match="mosquitto_device_password_seed"):
        mosquitto_device_password("press-1", "")


@pytest.mark.parametrize(
    ("password", "account", "iterations", "fault"),
    [
        ("", "gateway", 1, "needs a password"),
        ("secret", "", 1, "and an account"),
        ("secret", "gateway", 0, "give 1 or more"),
    ],
)
def test_bad_input_is_one_clear_error(password: str, account: str, iterations: int, fault: str) -> None:
    with pytest.raises(AnsibleFilterError, match=fault):
        mosquitto_password_hash(password, account, iterations)
