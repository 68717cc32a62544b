"""People and devices, as administrators keep them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
import servers
from conftest import client_of, key, send, stored
from fastapi import FastAPI
from people import PASSWORD, Somebody, somebody
from test_logins import NEW, actions, login, metric

from kojo_mes.api import create_app
from kojo_mes.identity.roles import JobRole
from kojo_mes.identity.service import signing_obstacle
from kojo_mes.kit.settings import ApiSettings

API = "/api/v1/identity"
Make = Callable[..., dict[str, Any]]


@pytest.fixture
def app(settings: ApiSettings) -> FastAPI:
    return create_app(settings)


@pytest.fixture
def administrator(admin: psycopg.Connection) -> Somebody:
    return somebody(admin, "administrator")


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


@pytest.fixture
def ask(app: FastAPI, client: httpx.AsyncClient) -> Callable[..., Any]:
    async def request(who: Somebody, method: str, path: str, body: Any = None, version: int | None = None) -> Any:
        headers = who.headers(app) | ({"If-Match": f'"{version}"'} if version else {})
        return await client.request(method, f"{API}{path}", json=body, headers=headers)

    return request


async def obstacle(app: FastAPI, person: str, role: JobRole = JobRole.OPERATOR) -> str | None:
    found: str | None = await app.state.database.read(lambda session: signing_obstacle(session, person, role))
    return found


def refuses(admin: psycopg.Connection, statement: str, *values: object) -> str:
    with pytest.raises(psycopg.Error) as caught:
        admin.execute(statement.encode(), values)
    return caught.value.diag.constraint_name or str(caught.value.sqlstate)


def denials(admin: psycopg.Connection) -> list[tuple[Any, ...]]:
    return admin.execute(
        "SELECT record_type, record_id, new ->> 'wanted' FROM mes.audit_event WHERE action = 'denied' ORDER BY id"
    ).fetchall()


async def test_from_account_to_signature(
    ask: Any, app: FastAPI, client: httpx.AsyncClient, admin: psycopg.Connection, administrator: Somebody
) -> None:
    """Everything that has to happen until a person may sign, in an order that works; each step is needed."""
    quality, manager = somebody(admin, "quality_manager"), somebody(admin, "manufacturing_lead")
    added = await ask(administrator, "POST", "/people", {"user_name": "h.suzuki", "name": "鈴木 花子"})
    assert (added.status_code, added.headers["ETag"]) == (201, '"1"')
    person, token = added.json()["id"], added.json()["reset_token"]
    assert await obstacle(app, person) == "the person has set no password of their own"
    assert (await login(client, "h.suzuki", "anything")).status_code == 401

    setting = {"token": token, "new_password": NEW}
    assert (await client.post(f"{API}/passwords", json=setting | {"new_password": "short"})).status_code == 422
    assert (await client.post(f"{API}/passwords", json=setting)).status_code == 200
    again = await client.post(f"{API}/passwords", json=setting | {"new_password": PASSWORD})
    assert (again.status_code, again.json()["type"]) == (403, "urn:kojo:problem:reset-refused")

    tokens = (await login(client, "h.suzuki", NEW)).json()
    assert "acknowledged" in str(await obstacle(app, person))
    own = {"Authorization": f"Bearer {tokens['access_token']}", **key()}
    await client.post(f"{API}/me/acknowledgements", json={"policy": tokens["acknowledge"]}, headers=own)

    assert "identity" in str(await obstacle(app, person))
    proof = {"method": "official_document", "evidence": "Driving licence"}
    assert (await ask(quality, "POST", f"/people/{person}/identity-proofs", proof)).status_code == 201

    assert await obstacle(app, person) == "the person does not hold the role operator"
    granted = await ask(administrator, "POST", f"/people/{person}/roles", {"role": "operator"}, 1)
    assert (granted.status_code, granted.headers["ETag"], granted.json()["roles"][0]["usable"]) == (200, '"2"', False)

    assert await obstacle(app, person) == "the person has no valid qualification for the role operator"
    now = datetime.now(UTC)
    until = now + timedelta(days=365)
    training = {"role": "operator", "evidence": "TR-114", "valid_from": f"{now}", "valid_until": f"{until}"}
    qualified = await ask(manager, "POST", f"/people/{person}/qualifications", training)
    assert qualified.status_code == 201
    assert await obstacle(app, person) is None
    shown = (await ask(administrator, "GET", f"/people/{person}")).json()
    assert shown["roles"][0]["usable"] is True

    where = f"/people/{person}/qualifications/{qualified.json()['id']}/revocation"
    assert (await ask(manager, "POST", where, {"reason": "retraining"})).status_code == 200
    assert (await ask(manager, "POST", where, {"reason": "twice"})).json()["type"] == "urn:kojo:problem:revoked"
    assert denials(admin)[-1] == ("qualification", qualified.json()["id"], "revoke")
    assert await obstacle(app, person) == "the person has no valid qualification for the role operator"
    assert {"identity:add", "identity:reset", "identity:password", "identity:prove", "identity:grant"} <= set(
        actions(admin, person)
    )
    secrets = admin.execute("SELECT response FROM mes.idempotency_key WHERE response::text ~ %s", (token,)).fetchall()
    assert secrets == []


async def test_a_reset_ends_the_password_and_takes_two_to_sign_after(
    ask: Any, app: FastAPI, client: httpx.AsyncClient, admin: psycopg.Connection, administrator: Somebody
) -> None:
    operator, leader = somebody(admin, "operator"), somebody(admin, "line_leader")
    assert await obstacle(app, operator.id) is None
    reset = (await ask(administrator, "POST", f"/people/{operator.id}/password-resets")).json()
    assert (await login(client, operator.user_name)).status_code == 401
    assert await obstacle(app, operator.id) == "the person has set no password of their own"
    newer = (await ask(administrator, "POST", f"/people/{operator.id}/password-resets")).json()
    old = {"token": reset["reset_token"], "new_password": NEW}
    assert (await client.post(f"{API}/passwords", json=old)).status_code == 403, "one token is good at a time"
    admin.execute("UPDATE mes.password_reset SET created_at = now() - interval '2 d', expires_at = now()")
    late = {"token": newer["reset_token"], "new_password": NEW}
    assert (await client.post(f"{API}/passwords", json=late)).status_code == 403
    admin.execute("UPDATE mes.password_reset SET expires_at = now() + interval '1 h'")
    assert (await client.post(f"{API}/passwords", json=late)).status_code == 200
    assert (await login(client, operator.user_name, NEW)).status_code == 200
    assert "proved" in str(await obstacle(app, operator.id)), "whoever used the token may not be the person"
    own = refuses(
        admin,
        "INSERT INTO mes.identity_proof (id, person_id, method, evidence, proved_by)"
        " VALUES ('x', %s, 'known_in_person', 'x', %s)",
        operator.id,
        administrator.id,
    )
    assert own == "identity_proof_apart"
    proof = {"method": "known_in_person", "evidence": "works on my line"}
    assert (await ask(leader, "POST", f"/people/{operator.id}/identity-proofs", proof)).status_code == 201
    assert await obstacle(app, operator.id) is None


async def test_a_repeated_answer_has_no_secret(
    app: FastAPI, client: httpx.AsyncClient, administrator: Somebody
) -> None:
    headers = administrator.headers(app)
    body = {"user_name": "h.suzuki", "name": "Hanako Suzuki"}
    first = await client.post(f"{API}/people", json=body, headers=headers)
    again = await client.post(f"{API}/people", json=body, headers=headers)
    assert first.json().pop("reset_token")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == {name: value for name, value in first.json().items() if name != "reset_token"}


async def test_user_names_are_never_used_again(ask: Any, administrator: Somebody, admin: psycopg.Connection) -> None:
    body = {"user_name": "h.suzuki", "name": "Hanako Suzuki"}
    person = (await ask(administrator, "POST", "/people", body)).json()["id"]
    gone = await ask(administrator, "POST", f"/people/{person}/deactivation", {"reason": "left"}, 1)
    assert gone.status_code == 200
    assert gone.json()["deactivated_at"]
    again = await ask(administrator, "POST", "/people", body)
    assert (again.status_code, again.json()["type"]) == (409, "urn:kojo:problem:user-name-taken")
    for path, more in (("roles", {"role": "operator"}), ("deactivation", {"reason": "twice"})):
        answer = await ask(administrator, "POST", f"/people/{person}/{path}", more, 2)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:kojo:problem:deactivated")
    assert denials(admin) == [
        ("user-name", "h.suzuki", "add"),
        ("person", person, "change"),
        ("person", person, "change"),
    ]


async def test_a_deactivated_person_is_out_at_once(
    ask: Any, app: FastAPI, client: httpx.AsyncClient, admin: psycopg.Connection, administrator: Somebody
) -> None:
    operator = somebody(admin, "operator")
    assert (await client.get("/api/v1/lines", headers=operator.headers(app))).status_code == 200
    await ask(administrator, "POST", f"/people/{operator.id}/deactivation", {"reason": "left"}, 1)
    await asyncio.sleep(1.1)
    assert (await client.get("/api/v1/lines", headers=operator.headers(app))).status_code == 401
    assert (await login(client, operator.user_name)).status_code == 401
    assert await obstacle(app, operator.id) == "the account is not active"


async def test_versions_guard_changes(ask: Any, administrator: Somebody, admin: psycopg.Connection) -> None:
    operator = somebody(admin, "operator")
    path, body = f"/people/{operator.id}/roles", {"role": "maintenance"}
    assert (await ask(administrator, "POST", path, body)).status_code == 428
    assert (await ask(administrator, "POST", path, body, 7)).status_code == 412
    assert (await ask(administrator, "POST", path, body, 1)).status_code == 200
    again = await ask(administrator, "POST", path, body, 2)
    assert (again.status_code, again.json()["type"]) == (409, "urn:kojo:problem:role-held")
    assert denials(admin) == [("person", operator.id, "grant maintenance")]
    assert (await ask(administrator, "DELETE", f"{path}/maintenance", version=2)).status_code == 200
    assert (await ask(administrator, "DELETE", f"{path}/maintenance", version=3)).status_code == 404


async def test_administrators_have_no_business_and_give_themselves_none(
    ask: Any, administrator: Somebody, admin: psycopg.Connection
) -> None:
    other = somebody(admin, "administrator")
    own = await ask(administrator, "POST", f"/people/{administrator.id}/roles", {"role": "operator"}, 1)
    assert (own.status_code, own.json()["type"]) == (409, "urn:kojo:problem:denied")
    both = await ask(administrator, "POST", f"/people/{other.id}/roles", {"role": "operator"}, 1)
    assert (both.status_code, both.json()["type"]) == (409, "urn:kojo:problem:conflict")
    assert denials(admin) == [
        ("person", administrator.id, "grant operator"),
        ("constraint", "role_grant_apart", f"POST {API}/people/{other.id}/roles"),
    ]
    grant = "INSERT INTO mes.role_grant (id, person_id, role, granted_by) VALUES ('x', %s, %s, %s)"
    assert refuses(admin, grant, other.id, "operator", "test") == "role_grant_apart"
    assert refuses(admin, grant, other.id, "auditor", other.id) in {"role_grant_apart", "role_grant_by_another"}
    operator = somebody(admin, "operator")
    assert refuses(admin, grant, operator.id, "administrator", "test") == "role_grant_apart"


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM mes.person",
        "TRUNCATE mes.person CASCADE",
        "DELETE FROM mes.role_grant",
        "DELETE FROM mes.qualification",
        "DELETE FROM mes.acknowledgement",
        "DELETE FROM mes.password_reset",
        "UPDATE mes.person SET id = gen_random_uuid()::text",
        "UPDATE mes.person SET user_name = 'another'",
        "UPDATE mes.role_grant SET role = 'quality_manager'",
        "UPDATE mes.qualification SET valid_until = valid_until + interval '1 year'",
        "UPDATE mes.person SET user_name = 'Upper'",
        "UPDATE mes.password SET hash = 'plain'",
    ],
)
def test_the_database_keeps_people_as_they_were(admin: psycopg.Connection, statement: str) -> None:
    """Even for its superuser, who would have to take the triggers off first."""
    somebody(admin, "operator")
    reset = (
        "INSERT INTO mes.password_reset SELECT sha256('x'), id, 'test', now(), now() + interval '1 d' FROM mes.person"
    )
    admin.execute(reset.encode())
    refuses(admin, statement)


def test_who_reads_the_audit_reads_no_secret(postgres: servers.Postgres, database: str) -> None:
    with postgres.connect(database, "kojo_audit") as connection:
        connection.execute("SELECT person_id, set_at FROM mes.password")
        for secret in ("hash FROM mes.password", "token_hash FROM mes.password_reset", "key_hash FROM mes.device"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT {secret}".encode())


async def test_people_come_in_pages(ask: Any, administrator: Somebody, admin: psycopg.Connection) -> None:
    for _ in range(4):
        somebody(admin, "operator")
    seen: list[str] = []
    path = "/people?limit=2"
    while path:
        page = (await ask(administrator, "GET", path)).json()
        seen += [item["id"] for item in page["items"]]
        path = f"/people?limit=2&cursor={page['next']}" if page["next"] else ""
    rows = admin.execute("SELECT id FROM mes.person ORDER BY id").fetchall()
    assert seen == [row[0] for row in rows]
    for cursor in ("x", "W10", "WzFd", "%00"):
        answer = await ask(administrator, "GET", f"/people?cursor={cursor}")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")


async def test_a_device_speaks_for_its_own_equipment(
    ask: Any, client: httpx.AsyncClient, admin: psycopg.Connection, administrator: Somebody, reading: Make
) -> None:
    body = {"name": "press-1-plc", "equipment": ["press-1"]}
    wrong = await ask(administrator, "POST", "/devices", {**body, "equipment": ["press-1", "press-9"]})
    assert (wrong.status_code, wrong.json()["errors"][0]["index"]) == (422, 1)
    added = (await ask(administrator, "POST", "/devices", body)).json()
    headers = {"Authorization": f"Bearer {added['key']}"}
    assert (await send(client, reading(), **key(), **headers)).status_code == 200
    foreign = await send(client, reading(), reading("robot-1.status", 1), **key(), **headers)
    assert (foreign.status_code, foreign.json()["type"]) == (403, "urn:kojo:problem:foreign-sensor")
    assert foreign.json()["errors"][0]["index"] == 1
    assert stored(admin) == 1
    entry = admin.execute(
        "SELECT actor_name, record_type, record_id FROM mes.audit_event WHERE action = 'denied'"
    ).fetchone()
    assert entry == ("press-1-plc", "sensor", "robot-1.status")

    bound = await ask(administrator, "PUT", f"/devices/{added['id']}", {**body, "equipment": ["robot-1"]}, 1)
    assert bound.json()["equipment"] == ["robot-1"]
    assert (await send(client, reading("robot-1.status", 1), **key(), **headers)).status_code == 200
    renewed = (await ask(administrator, "POST", f"/devices/{added['id']}/keys", version=2)).json()
    await asyncio.sleep(1.1)
    assert (await send(client, reading("robot-1.status", 1), **key(), **headers)).status_code == 401
    headers = {"Authorization": f"Bearer {renewed['key']}"}
    assert (await send(client, reading("robot-1.status", 1), **key(), **headers)).status_code == 200
    path = f"/devices/{added['id']}/deactivation"
    assert (await ask(administrator, "POST", path, {"reason": "scrapped"}, 3)).status_code == 200
    await asyncio.sleep(1.1)
    assert (await send(client, reading("robot-1.status", 1), **key(), **headers)).status_code == 401
    again = await ask(administrator, "POST", "/devices", body)
    assert again.status_code == 409
    assert admin.execute("SELECT count(*) FROM mes.audit_event WHERE new::text ~ 'kojo-device'").fetchone() == (0,)


async def test_a_device_with_a_certificate_needs_it(
    ask: Any, client: httpx.AsyncClient, admin: psycopg.Connection, administrator: Somebody, reading: Make
) -> None:
    """The listener tells which certificate it verified (tests/test_peer.py); here there is none."""
    body = {"name": "press-1-plc", "equipment": ["press-1"], "certificate_sha256": "a" * 64}
    added = (await ask(administrator, "POST", "/devices", body)).json()
    for _ in range(3):
        answer = await send(client, reading(), **key(), **{"Authorization": f"Bearer {added['key']}"})
        assert answer.status_code == 401
    told = "SELECT actor_id, record_type, record_id, new FROM mes.audit_event WHERE action = 'identity:turned-away'"
    rows = admin.execute(told.encode()).fetchall()
    assert rows == [(added["id"], "device", added["id"], {"address": "127.0.0.1", "untold": 0})]


async def test_a_key_that_no_device_has_is_on_record_without_telling_it(
    client: httpx.AsyncClient, admin: psycopg.Connection, reading: Make
) -> None:
    before = metric("kojo_mes_authentications_total", outcome="unknown")
    for _ in range(3):
        answer = await send(client, reading(), **key(), Authorization="Bearer kojo-device.guessed-by-somebody")
        assert answer.status_code == 401
    assert metric("kojo_mes_authentications_total", outcome="unknown") == before + 3
    told = "SELECT actor_id, record_type, reason, new FROM mes.audit_event WHERE action = 'identity:turned-away'"
    rows = admin.execute(told.encode()).fetchall()
    assert rows == [("nobody", "device-key", "unknown device-key", {"address": "127.0.0.1", "untold": 0})]
