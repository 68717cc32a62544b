"""Secrets by name, by value and by form; and what is none stays readable."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_secrets import REMOVED, Secrets, is_secret_name
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_secrets import GENERATORS

CANARY = "CANARY-7hK2"


@pytest.mark.parametrize(
    "name",
    [
        *GENERATORS,
        "plant_secrets",
        "password",
        "dbPassword",
        "PGPASSWORD",
        "api_key",
        "apikey",
        "secret_id",
        "login_password",
        "GITHUB_TOKEN",
        "ansible_become_pass",
        "Authorization",
        "credentials",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "host",
        "update_password",
        "no_log",
        "public_key",
        "authorized_keys",
        "ansible_ssh_private_key_file",
        "key_id",
        "password_expire_max",
        "monkey",
        "SSH_AUTH_SOCK",
        "",
        "123",
    ],
)
def test_names_of_others(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "text",
    [
        f"curl -u bob:{CANARY} http://a",
        f"postgresql://app:{CANARY}@db1/mes",
        f"https://:{CANARY}@a/b",
        f"mysql --password {CANARY} --host db1",
        f"mysql --password={CANARY}",
        f"PGPASSWORD={CANARY} psql",
        f"db_password: '{CANARY}' # ours",
        f'{{"token": "{CANARY}", "a": 1}}',
        f"Authorization: Bearer {CANARY}",
        f"curl -H 'Authorization: Basic {CANARY}='",
        f"-----BEGIN PRIVATE KEY-----\n+{CANARY}\n+-----END PRIVATE KEY-----",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}",
        f"root:$6$salt${CANARY}:19000",
        f"admin:$2b$12${CANARY}",
        f"ALTER ROLE a PASSWORD '{CANARY}'",
        f"CREATE USER a IDENTIFIED BY '{CANARY}'",
        f"+requirepass {CANARY}",
        f"api_key => {CANARY};",
        f'secret = "{CANARY}',
    ],
)
def test_forms_of_secrets(text: str) -> None:
    assert CANARY not in Secrets().text(text)


@pytest.mark.parametrize(
    "text",
    [
        "the password is wrong",
        "user=root state=present mode=0600",
        "password_file = /etc/kojo/x",
        "http://10.0.0.1:8080/health and mail to a@b",
        "basic settings, bearer of news",
        "-- the primary key of the table",
        "cost $5 or $6",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert Secrets().text(text) == text


def test_a_known_value_goes_in_every_form() -> None:
    value = 'pa"ss/wörd\n+ more of it'
    secrets = Secrets()
    secrets.learn({"app": {"users": [{"name": "sato", "token": value}]}})
    first = value.splitlines()[0]
    for form in (
        value,
        first,
        json.dumps(value),
        json.dumps(value, ensure_ascii=False),
        quote(value, safe=""),
        base64.b64encode(value.encode()).decode(),
    ):
        cleaned = secrets.text(f"before {form} after")
        assert cleaned.startswith("before ")
        assert cleaned.endswith(" after")
        assert "ss/w" not in cleaned
        assert REMOVED in cleaned
    assert secrets.text("sato") == "sato"


def test_a_key_goes_line_by_line() -> None:
    pem = GENERATORS["mes_journal_signing_key"]()
    secrets = Secrets()
    secrets.add(pem)
    assert pem.splitlines()[1] not in secrets.text(f"+{pem.splitlines()[1]}")


def test_what_has_a_secrets_name_goes_whatever_it_is() -> None:
    given = {"password": "short", "tokens": [1, {"a": "b"}], "key": None, "user": "sato", f"say {CANARY}": 1}
    secrets = Secrets()
    secrets.add(CANARY)
    assert secrets.clean(given) == {
        "password": REMOVED,
        "tokens": REMOVED,
        "key": None,
        "user": "sato",
        f"say {REMOVED}": 1,
    }


def test_templates_and_short_words_take_nothing_out() -> None:
    secrets = Secrets()
    secrets.learn({"password": "{{ vault_password }}", "pin": "root", "api_keys": {"sim": {"role": "device"}}})
    text = "{{ vault_password }} root device"
    assert secrets.text(text) == text


def test_what_has_no_end_is_cut() -> None:
    endless: dict[str, object] = {}
    endless["again"] = endless
    Secrets().learn(endless)
    assert "(too deep)" in json.dumps(Secrets().clean(endless))
