"""People for tests: ready to work, without their logins. The password of each is PASSWORD, when they have one."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from argon2 import PasswordHasher
from fastapi import FastAPI

from kojo_mes.identity import policy
from kojo_mes.kit.ids import new_id

PASSWORD = "seven-brass-herons-waltz"  # noqa: S105
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@dataclass(frozen=True)
class Somebody:
    id: str
    user_name: str
    name: str
    session_id: str

    def headers(self, app: FastAPI) -> dict[str, str]:
        """An access token of the person's session, and a fresh Idempotency-Key."""
        token = app.state.tokens.issue(self.id, self.session_id)
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": new_id()}


def somebody(
    admin: psycopg.Connection,
    *roles: str,
    user_name: str | None = None,
    name: str | None = None,
    qualified: bool = True,
    acknowledged: bool = True,
    proved: bool = True,
    password: bool = True,
) -> Somebody:
    """A person with these job roles and all that using and signing in them takes; tests leave out a part."""
    person, session = new_id(), new_id()
    user_name = user_name or f"u{person.replace('-', '')}"
    name = name or f"Person {person[-4:]}"
    with admin.transaction():
        admin.execute(
            "INSERT INTO mes.person (id, user_name, name, created_by) VALUES (%s, %s, %s, 'test')",
            (person, user_name, name),
        )
        for role in roles:
            admin.execute(
                "INSERT INTO mes.role_grant (id, person_id, role, granted_by) VALUES (%s, %s, %s, 'test')",
                (new_id(), person, role),
            )
            if qualified:
                admin.execute(
                    "INSERT INTO mes.qualification"
                    " (id, person_id, role, evidence, valid_from, valid_until, recorded_by)"
                    " VALUES (%s, %s, %s, 'trained', now() - interval '1 day', now() + interval '1 day', 'test')",
                    (new_id(), person, role),
                )
        if acknowledged:
            admin.execute("INSERT INTO mes.acknowledgement VALUES (%s, %s)", (person, policy.VERSION))
        if password:
            admin.execute("INSERT INTO mes.password VALUES (%s, %s, now())", (person, CHEAP))
        if proved:
            admin.execute(
                "INSERT INTO mes.identity_proof (id, person_id, method, evidence, proved_by)"
                " VALUES (%s, %s, 'known_in_person', 'seen', 'test')",
                (new_id(), person),
            )
        admin.execute(
            "INSERT INTO mes.login_session (id, person_id, method, expires_at)"
            " VALUES (%s, %s, 'password', now() + interval '1 hour')",
            (session, person),
        )
    return Somebody(person, user_name, name, session)
