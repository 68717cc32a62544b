"""Who may ask a route: a person of each role, and each machine, that the matrix lets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import psycopg
from conftest import DEVICE_KEY, KEYS
from desk import GATE, GATE_KEY
from fastapi import FastAPI
from people import Somebody, somebody

from kojo_mes.identity.matrix import MACHINES, OPERATIONS
from kojo_mes.kit.security import Permission
from kojo_mes.kit.settings import Role

JOURNAL_KEY = "key-of-the-journal"
JOURNAL = {"journal": {"sha256": hashlib.sha256(JOURNAL_KEY.encode()).hexdigest(), "role": "journal"}}
API_KEYS = json.dumps(KEYS | GATE | JOURNAL)
MACHINE_KEYS = {Role.DEVICE: DEVICE_KEY, Role.GATE: GATE_KEY, Role.JOURNAL: JOURNAL_KEY}


@dataclass(frozen=True)
class Caller:
    """`person` and `role` are None of a machine."""

    credential: str
    person: Somebody | None = None
    role: str | None = None

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.credential}"}


def who_may(app: FastAPI, admin: psycopg.Connection, needed: AbstractSet[Permission]) -> list[Caller]:
    """New people each time. A route that needs no permission is for everybody: an operator asks."""
    roles = {role for permission in needed for role in OPERATIONS[permission]} if needed else {"operator"}
    people = [(role, somebody(admin, role)) for role in sorted(roles)]
    machines = [key for role, key in MACHINE_KEYS.items() if needed and needed <= MACHINES[role]]
    return [
        *(Caller(app.state.tokens.issue(person.id, person.session_id), person, role) for role, person in people),
        *map(Caller, machines),
    ]
