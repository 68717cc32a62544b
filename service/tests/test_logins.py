"""Logins, sessions, lockout, passwords of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any

import httpx
import jwt
import psycopg
import pytest
from conftest import client_of, fields
from fastapi import FastAPI
from people import PASSWORD, Somebody, somebody
from prometheus_client import REGISTRY

from kojo_mes.api import create_app
from kojo_mes.identity import passwords, policy
from kojo_mes.identity import strangers as strangers_module
from kojo_mes.identity.strangers import Strangers
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.settings import ApiSettings

API = "/api/v1/identity"
NEW = "copper-lanterns-drift-north"


@pytest.fixture
def app(settings: ApiSettings) -> FastAPI:
    return create_app(settings)


@pytest.fixture
async def anybody(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Without credentials."""
    async with client_of(app) as client:
        del client.headers["Authorization"]
        yield client


async def login(client: httpx.AsyncClient, user_name: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post(f"{API}/sessions", json={"user_name": user_name, "password": password})


async def refresh(client: httpx.AsyncClient, tokens: dict[str, Any]) -> httpx.Response:
    return await client.post(f"{API}/sessions/refresh", json={"refresh_token": tokens["refresh_token"]})


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}", "Idempotency-Key": new_id()}


async def status_of(client: httpx.AsyncClient, tokens: dict[str, Any]) -> int:
    return (await client.get("/api/v1/lines", headers=bearer(tokens))).status_code


def actions(admin: psycopg.Connection, person: Somebody | str) -> list[str]:
    record = person if isinstance(person, str) else person.id
    rows = admin.execute(
        "SELECT action FROM mes.audit_event WHERE source = 'service' AND %s IN (actor_id, record_id) ORDER BY id",
        (record,),
    ).fetchall()
    return [row[0] for row in rows]


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_a_login_gives_short_lived_access(anybody: httpx.AsyncClient, admin: psycopg.Connection) -> None:
    operator = somebody(admin, "operator")
    answer = await login(anybody, operator.user_name)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    tokens = answer.json()
    assert (tokens["person"], tokens["acknowledge"], tokens["expires_in"]) == (operator.id, None, 600)
    assert await status_of(anybody, tokens) == 200
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 600
    assert "identity:login" in actions(admin, operator)


@pytest.mark.parametrize(
    "forged",
    [
        lambda claims, _key: jwt.encode(claims, "", "none"),
        lambda claims, _key: jwt.encode(claims, "k" * 32, "HS256"),
        lambda claims, key: jwt.encode(claims | {"exp": claims["iat"] - 1}, key, "HS256"),
        lambda claims, key: jwt.encode(claims | {"aud": "another"}, key, "HS256"),
        lambda claims, key: jwt.encode({name: claims[name] for name in claims if name != "exp"}, key, "HS256"),
        lambda claims, key: jwt.encode(claims | {"sid": "another"}, key, "HS256"),
    ],
    ids=["unsigned", "another key", "expired", "another audience", "endless", "unknown session"],
)
async def test_a_forged_token_is_refused(
    anybody: httpx.AsyncClient, settings: ApiSettings, admin: psycopg.Connection, forged: Any
) -> None:
    tokens = (await login(anybody, somebody(admin, "operator").user_name)).json()
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    token = forged(claims, settings.key_for("access token"))
    assert await status_of(anybody, {"access_token": token}) == 401


async def test_unknown_names_wrong_passwords_and_locked_accounts_look_the_same(
    anybody: httpx.AsyncClient, admin: psycopg.Connection
) -> None:
    operator = somebody(admin, "operator")
    without = somebody(admin, "operator", password=False)
    answers = [await login(anybody, "nobody"), await login(anybody, operator.user_name, "wrong")]
    answers.append(await login(anybody, without.user_name, "nobody's password"))
    admin.execute("UPDATE mes.lockout SET locked_until = now() + interval '1 h' WHERE person_id = %s", (operator.id,))
    answers.append(await login(anybody, operator.user_name))
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1


async def test_attempts_at_no_account_or_a_locked_one_are_on_record(
    anybody: httpx.AsyncClient, admin: psycopg.Connection
) -> None:
    operator = somebody(admin, "operator")
    gone = somebody(admin, "operator")
    admin.execute("UPDATE mes.person SET deactivated_at = now() WHERE id = %s", (gone.id,))
    admin.execute("INSERT INTO mes.lockout VALUES (%s, 5, now() + interval '1 h')", (operator.id,))
    before = {name: metric("kojo_mes_authentications_total", outcome=name) for name in ("unknown", "locked")}
    for name in ("nobody", "nobody", gone.user_name, operator.user_name, operator.user_name):
        assert (await login(anybody, name, "x" * 20)).status_code == 401
    after = {name: metric("kojo_mes_authentications_total", outcome=name) - before[name] for name in before}
    assert after == {"unknown": 3, "locked": 2}
    rows = admin.execute(
        "SELECT actor_id, record_type, record_id, reason, new FROM mes.audit_event"
        " WHERE action = 'identity:turned-away' ORDER BY id"
    ).fetchall()
    names = {row[2] for row in rows[:2]}
    assert [row[:2] + row[3:] for row in rows] == [
        ("nobody", "user-name", "unknown user-name", {"address": "127.0.0.1", "untold": 0}),
        ("nobody", "user-name", "unknown user-name", {"address": "127.0.0.1", "untold": 1}),
        (operator.id, "person", "the account is locked", {"address": "127.0.0.1", "untold": 0}),
    ]
    assert len(names) == 2, "another name is another entry"
    typed = "nobody"
    assert names.isdisjoint({typed, sha256(typed.encode()).hexdigest()}), "what was typed may be a password"


def test_a_flood_of_names_fills_nothing() -> None:
    moment = 0.0
    strangers = Strangers(b"key", lambda: moment)
    told = [strangers.untold(strangers.ref("user-name", f"n{number}")) for number in range(1000)]
    assert told == [0] * strangers_module.MOST + [None] * (1000 - strangers_module.MOST)
    moment = strangers_module.PERIOD
    assert strangers.untold(strangers.ref("user-name", "n1")) == 1000 - strangers_module.MOST


async def test_failures_lock_the_account_and_move_a_metric(
    anybody: httpx.AsyncClient, admin: psycopg.Connection
) -> None:
    operator, other = somebody(admin, "operator"), somebody(admin, "operator")
    before = metric("kojo_mes_account_lockouts_total")
    answers = await asyncio.gather(*(login(anybody, operator.user_name, f"wrong {number}") for number in range(9)))
    assert {answer.status_code for answer in answers} == {401}
    assert metric("kojo_mes_account_lockouts_total") == before + 1
    assert actions(admin, operator).count("identity:login-refused") == 5, "no more than the limit are judged"
    assert actions(admin, operator).count("identity:locked") == 1
    assert (await login(anybody, operator.user_name)).status_code == 401
    assert (await login(anybody, other.user_name)).status_code == 200
    admin.execute("UPDATE mes.lockout SET locked_until = now() - interval '1 s' WHERE person_id = %s", (operator.id,))
    assert (await login(anybody, operator.user_name)).status_code == 200
    assert admin.execute("SELECT failures FROM mes.lockout WHERE person_id = %s", (operator.id,)).fetchone() == (0,)


async def test_a_good_login_forgives_the_failures_before(anybody: httpx.AsyncClient, admin: psycopg.Connection) -> None:
    operator = somebody(admin, "operator")
    for _ in range(3):
        for _ in range(4):
            await login(anybody, operator.user_name, "wrong")
        assert (await login(anybody, operator.user_name)).status_code == 200


async def test_refresh_tokens_rotate_and_a_reused_one_ends_the_session(
    anybody: httpx.AsyncClient, app: FastAPI, admin: psycopg.Connection
) -> None:
    operator = somebody(admin, "operator")
    first = (await login(anybody, operator.user_name)).json()
    second = (await refresh(anybody, first)).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert await status_of(anybody, second) == 200
    stolen = await refresh(anybody, first)
    assert (stolen.status_code, stolen.json()["type"]) == (401, "urn:kojo:problem:session-ended")
    assert (await refresh(anybody, second)).status_code == 401, "the whole family has ended"
    await asyncio.sleep(1.1)
    assert await status_of(anybody, second) == 401
    assert "identity:revoked" in actions(admin, operator)
    assert (await login(anybody, operator.user_name)).status_code == 200


async def test_a_session_ends_when_it_is_idle_or_old(anybody: httpx.AsyncClient, admin: psycopg.Connection) -> None:
    operator = somebody(admin, "operator")
    tokens = (await login(anybody, operator.user_name)).json()
    admin.execute("UPDATE mes.refresh_token SET issued_at = now() - interval '61 min'")
    assert (await refresh(anybody, tokens)).status_code == 401
    tokens = (await login(anybody, operator.user_name)).json()
    admin.execute("UPDATE mes.login_session SET created_at = now() - interval '13 h', expires_at = now()")
    assert (await refresh(anybody, tokens)).status_code == 401
    assert await status_of(anybody, tokens) == 401


async def test_logout_ends_the_session(anybody: httpx.AsyncClient, admin: psycopg.Connection) -> None:
    tokens = (await login(anybody, somebody(admin, "operator").user_name)).json()
    assert (await anybody.post(f"{API}/me/logout", headers=bearer(tokens))).status_code == 200
    assert (await refresh(anybody, tokens)).status_code == 401
    await asyncio.sleep(1.1)
    assert await status_of(anybody, tokens) == 401


async def test_an_old_password_is_changed_before_the_next_login(
    anybody: httpx.AsyncClient, admin: psycopg.Connection
) -> None:
    operator = somebody(admin, "operator")
    admin.execute("UPDATE mes.password SET set_at = now() - interval '91 days'")
    answer = await login(anybody, operator.user_name)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:kojo:problem:password-expired")
    change = {"user_name": operator.user_name, "password": PASSWORD, "new_password": NEW}
    assert (await anybody.post(f"{API}/passwords/change", json=change | {"password": "x"})).status_code == 401
    assert (await anybody.post(f"{API}/passwords/change", json=change)).json() == {"done": True}
    assert (await login(anybody, operator.user_name)).status_code == 401
    tokens = await login(anybody, operator.user_name, NEW)
    assert tokens.status_code == 200
    stored = admin.execute("SELECT hash FROM mes.password WHERE person_id = %s", (operator.id,)).fetchone()
    assert stored
    assert stored[0].startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert NEW not in str(admin.execute("SELECT old, new, reason FROM mes.audit_event").fetchall())


async def test_a_hash_of_lesser_strength_is_renewed_at_login(
    anybody: httpx.AsyncClient, admin: psycopg.Connection
) -> None:
    operator = somebody(admin, "operator")
    before = admin.execute("SELECT set_at FROM mes.password").fetchone()
    assert (await login(anybody, operator.user_name)).status_code == 200
    after = admin.execute("SELECT hash LIKE '$argon2id$v=19$m=65536,t=3,p=4$%', set_at FROM mes.password").fetchone()
    assert before
    assert after == (True, before[0])
    assert (await login(anybody, operator.user_name)).status_code == 200


@pytest.mark.parametrize(
    "bad",
    [
        "short",
        "x" * 129,
        "Password1234!",
        "qwertyuiop123",
        "aaaaaaaaaaaaaaaa",
        "Hanako-Suzuki1",
        "kojo-mes2026!",
        PASSWORD,
    ],
)
async def test_bad_passwords_are_refused(anybody: httpx.AsyncClient, admin: psycopg.Connection, bad: str) -> None:
    operator = somebody(admin, "operator", user_name="h.suzuki", name="Hanako Suzuki")
    change = {"user_name": operator.user_name, "password": PASSWORD, "new_password": bad}
    answer = await anybody.post(f"{API}/passwords/change", json=change)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "new_password"
    assert (await login(anybody, operator.user_name)).status_code == 200


async def test_nothing_is_allowed_before_the_policy_is_acknowledged(
    anybody: httpx.AsyncClient, admin: psycopg.Connection
) -> None:
    operator = somebody(admin, "operator", acknowledged=False)
    tokens = (await login(anybody, operator.user_name)).json()
    assert tokens["acknowledge"] == policy.VERSION
    refused = await anybody.get("/api/v1/lines", headers=bearer(tokens))
    assert refused.status_code == 403
    assert "Acknowledge" in refused.json()["detail"]
    own = (await anybody.get(f"{API}/me", headers=bearer(tokens))).json()
    assert own["policy"]["text"].keys() == {"en", "ja"}
    where = f"{API}/me/acknowledgements"
    assert (await anybody.post(where, json={"policy": "another"}, headers=bearer(tokens))).status_code == 422
    assert (await anybody.post(where, json={"policy": policy.VERSION}, headers=bearer(tokens))).status_code == 200
    await asyncio.sleep(1.1)
    assert await status_of(anybody, tokens) == 200
    assert "identity:acknowledged" in actions(admin, operator)


async def test_an_expired_qualification_takes_the_role(anybody: httpx.AsyncClient, admin: psycopg.Connection) -> None:
    operator = somebody(admin, "operator")
    tokens = (await login(anybody, operator.user_name)).json()
    admin.execute("ALTER TABLE mes.qualification DISABLE TRIGGER only_revoked")
    admin.execute("UPDATE mes.qualification SET valid_until = now() - interval '1 s'")
    answer = await anybody.get("/api/v1/lines", headers=bearer(tokens))
    assert answer.status_code == 403
    assert answer.json()["detail"] == "There is no valid qualification for operator."
    assert "denied" in actions(admin, operator)


async def test_sessions_survive_another_process(
    variables: dict[str, str], anybody: httpx.AsyncClient, admin: psycopg.Connection
) -> None:
    tokens = (await login(anybody, somebody(admin, "operator").user_name)).json()
    async with client_of(create_app(ApiSettings(**fields(variables)))) as second:
        assert await status_of(second, tokens) == 200
    other = variables | {"KOJO_MES_TOKEN_SECRET": "another secret of this plant"}
    async with client_of(create_app(ApiSettings(**fields(other)))) as stranger:
        assert await status_of(stranger, tokens) == 401


async def test_a_flood_of_logins_is_429(
    anybody: httpx.AsyncClient, admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = somebody(admin, "operator")
    monkeypatch.setattr(passwords, "MOST_WAITING", 3)
    answers = await asyncio.gather(*(login(anybody, f"nobody{number}") for number in range(40)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert {answer.headers["Retry-After"] for answer in refused} == {"5"}
    assert (await login(anybody, operator.user_name)).status_code == 200
