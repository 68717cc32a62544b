"""`kojo-mes user`, and its exit codes."""

from __future__ import annotations

import asyncio
import json

import psycopg
import pytest
from conftest import client_of
from people import somebody
from test_logins import API, NEW

from kojo_mes.api import create_app
from kojo_mes.cli import main
from kojo_mes.kit.settings import ApiSettings


@pytest.fixture
def on_the_host(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


pytestmark = pytest.mark.usefixtures("on_the_host")


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    capsys.readouterr()
    assert main(["user", "list", "--json"]) == 0
    people = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {person["user_name"]: person for person in people}


def test_the_first_administrator(settings: ApiSettings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["user", "add", "root.admin", "--name", "Kenji Mori", "--role", "administrator"]) == 0
    token = capsys.readouterr().out.strip()

    async def use() -> tuple[int, int, list[str]]:
        async with client_of(create_app(settings)) as client:
            set_ = await client.post(f"{API}/passwords", json={"token": token, "new_password": NEW})
            login = await client.post(f"{API}/sessions", json={"user_name": "root.admin", "password": NEW})
            headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
            me = (await client.get(f"{API}/me", headers=headers)).json()
            return set_.status_code, login.status_code, [held["role"] for held in me["roles"]]

    assert asyncio.run(use()) == (200, 200, ["administrator"])


def test_a_life_of_an_account(admin: psycopg.Connection, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["user", "add", "h.suzuki", "--name", "鈴木 花子"]) == 0
    assert main(["user", "grant", "h.suzuki", "quality_manager"]) == 0
    held = listed(capsys)["h.suzuki"]["roles"]
    assert isinstance(held, list)
    assert (held[0]["role"], held[0]["usable"]) == ("quality_manager", False)
    until = ["--qualified-until", "2099-12-31", "--evidence", "TR-1"]
    assert main(["user", "grant", "h.suzuki", "quality_manager", *until]) == 0
    held = listed(capsys)["h.suzuki"]["roles"]
    assert isinstance(held, list)
    assert held[0]["usable"] is True
    assert main(["user", "list"]) == 0
    assert "quality_manager" in capsys.readouterr().out
    assert main(["user", "reset", "h.suzuki"]) == 0
    assert len(capsys.readouterr().out.strip()) == 43
    assert main(["user", "revoke", "h.suzuki", "quality_manager"]) == 0
    assert main(["user", "revoke", "h.suzuki", "quality_manager"]) == 4
    assert main(["user", "deactivate", "h.suzuki", "--reason", "left"]) == 0
    assert listed(capsys)["h.suzuki"]["deactivated_at"]
    entries = admin.execute(
        "SELECT DISTINCT actor_kind, actor_id ~ '^cli:' FROM mes.audit_event WHERE record_type = 'person'"
    ).fetchall()
    assert entries == [("system", True)]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["reset", "nobody"], 4, "There is no person nobody"),
        (["add", "Upper", "--name", "X"], 2, "user_name"),
        (["add", "taken", "--name", "X"], 5, "Choose another one"),
        (["grant", "taken", "operator", "--qualified-until", "2099-01-01"], 2, "evidence"),
        (
            ["grant", "taken", "maintenance", "--qualified-until", "2020-01-01", "--evidence", "x"],
            5,
            "valid_until is to be later",
        ),
        (["grant", "taken", "administrator"], 5, "role_grant_apart"),
        (["deactivate", "gone", "--reason", "twice"], 5, "is deactivated"),
    ],
)
def test_what_is_wrong_is_said(
    admin: psycopg.Connection, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, told: str
) -> None:
    somebody(admin, "operator", user_name="taken")
    somebody(admin, user_name="gone")
    admin.execute("UPDATE mes.person SET deactivated_at = now() WHERE user_name = 'gone'")
    assert main(["user", *arguments]) == code
    assert told in capsys.readouterr().err
    denied = admin.execute(
        "SELECT new ->> 'wanted' FROM mes.audit_event WHERE action = 'denied' AND reason ~ 'role_grant_apart'"
    ).fetchall()
    assert denied == ([("user grant",)] if told == "role_grant_apart" else [])


@pytest.mark.parametrize(
    "arguments", [[], ["grant", "x", "king"], ["add", "x"], ["grant", "x", "operator", "--qualified-until", "soon"]]
)
def test_wrong_arguments(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["user", *arguments])
    assert caught.value.code == 2


def test_no_database_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("KOJO_MES_DATABASE_HOSTS", "127.0.0.1:1")
    monkeypatch.setenv("KOJO_MES_DATABASE_DEADLINE", "0.3")
    assert main(["user", "list"]) == 1
    assert "not available" in capsys.readouterr().err
