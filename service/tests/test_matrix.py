"""Every route asks who is there and whether they may; every role gets what the matrix says, at every route."""

from __future__ import annotations

import re

import httpx
import psycopg
from conftest import DEVICE_KEY, OPERATOR_KEY, client_of, fields
from people import somebody
from walk import calls, others, permissions, routes

from kojo_mes.api import create_app
from kojo_mes.identity.matrix import ALLOWED, MACHINES, OPERATIONS
from kojo_mes.identity.roles import JobRole
from kojo_mes.kit.ids import new_id
from kojo_mes.kit.security import Permission, authenticated
from kojo_mes.kit.settings import ApiSettings, Role

PUBLIC = {
    "GET /health": "the load balancer and the monitoring ask it; it tells nothing of the plant",
    "GET /health/ready": "as /health",
    "GET /health/database": "as /health",
    "GET /health/redis": "as /health",
    "GET /health/iot": "as /health",
    "GET /metrics": "Prometheus asks it, through a conduit of its own; figures only",
    "POST /api/v1/identity/sessions": "the login itself: it takes user name and password",
    "POST /api/v1/identity/sessions/refresh": "takes a refresh token",
    "POST /api/v1/identity/passwords": "takes the one-time token of a reset",
    "POST /api/v1/identity/passwords/change": "takes user name and password: one that is too old to log in with, too",
    "GET /api/v1/identity/oidc/login": "the login itself: it sends to the OpenID provider",
    "GET /api/v1/identity/oidc/callback": "takes the provider's code",
}
OWN = {
    "GET /api/v1/identity/me": "one's own account, before the policy is acknowledged too",
    "POST /api/v1/identity/me/acknowledgements": "the acknowledgement itself",
    "POST /api/v1/identity/me/logout": "ends one's own session",
}
# a stream has no end of its own: it is asked for a line that the plant doesn't have
STREAMS = {"GET /api/v1/live": "?line=nowhere"}
# reads and the keeping of accounts: what an administrator may, and nothing of the plant's business
ACCOUNTS = {Permission.PEOPLE_KEEP, Permission.ROLES_GRANT, Permission.DEVICES_KEEP}
READS = ("read", "verify", "export", "authorisation", "search")


def test_every_route_is_guarded_or_on_a_list(settings: ApiSettings) -> None:
    app = create_app(settings)
    known = dict(routes(app))
    unguarded = {name for name, route in known.items() if not permissions(route)}
    assert unguarded == set(PUBLIC) | set(OWN)
    for name in OWN:
        assert authenticated in set(calls(known[name])), name
    twice = [name for name, route in known.items() if len(permissions(route)) > 1]
    assert twice == [], "one operation, one permission"
    # what is no route of the API's own is the OpenAPI document
    assert others(app) == ["/api/v1/openapi.json"]


def test_the_matrix_is_whole() -> None:
    assert set(OPERATIONS) == set(Permission), "each operation has its row"
    used = {permission for allowed in [*ALLOWED.values(), *MACHINES.values()] for permission in allowed}
    assert used == set(Permission), "an operation that nobody may is no operation"
    assert set(MACHINES) == set(Role)


def test_administrators_and_auditors_have_no_business_write() -> None:
    def writes(role: JobRole) -> set[Permission]:
        return {permission for permission in ALLOWED[role] if not permission.endswith(READS)}

    assert writes(JobRole.ADMINISTRATOR) == ACCOUNTS
    assert writes(JobRole.AUDITOR) == set()
    for role in set(JobRole) - {JobRole.ADMINISTRATOR}:
        assert not ACCOUNTS & ALLOWED[role], role


async def status(client: httpx.AsyncClient, name: str, headers: dict[str, str]) -> int:
    method, path = name.split(" ")
    path = path.replace("{role}", "operator") + STREAMS.get(name, "")
    path = re.sub(r"\{[^}]+\}", "00000000-0000-7000-8000-000000000000", path)
    body: dict[str, str] | None = None if method in ("GET", "DELETE") else {}
    answer = await client.request(method, path, json=body, headers=headers | {"Idempotency-Key": new_id()})
    return answer.status_code


async def test_each_role_gets_what_the_matrix_says_at_each_route(
    variables: dict[str, str], admin: psycopg.Connection
) -> None:
    patient = ApiSettings(**fields(variables | {"KOJO_MES_DATABASE_DEADLINE": "60"}))
    app = create_app(patient)
    # beside its own, each holds all that using the role takes: only the matrix can refuse
    people = {role: somebody(admin, role) for role in JobRole}
    expected: list[tuple[str, dict[str, str], frozenset[Permission]]] = [
        (role, person.headers(app), ALLOWED[role]) for role, person in people.items()
    ]
    expected.append(("device", {"Authorization": f"Bearer {DEVICE_KEY}"}, MACHINES[Role.DEVICE]))
    expected.append(("reader", {"Authorization": f"Bearer {OPERATOR_KEY}"}, MACHINES[Role.OPERATOR]))
    wrong, asked = [], 0
    async with client_of(app) as client:
        del client.headers["Authorization"]
        for name, route in routes(app):
            if name in PUBLIC:
                continue
            if await status(client, name, {}) != 401:
                wrong.append(f"nobody: {name}")
            for who, headers, allowed in expected:
                needed = permissions(route)
                if not needed:
                    continue
                asked += 1
                answer = await status(client, name, headers)
                if (answer in (401, 403)) == (needed <= allowed) or answer == 500:
                    wrong.append(f"{who}: {name}: {answer}")
    assert not wrong, "\n".join(wrong)
    refusals = admin.execute("SELECT count(*) FROM mes.audit_event WHERE record_type = 'permission'").fetchone()
    assert refusals
    assert asked > refusals[0] > 0
