"""A person for the plant's tests, who reads everything and changes nothing."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Callable, Iterator

import httpx
import pytest
from testinfra.host import Host

from tests.plant import edges
from tests.plant.inventory import Plant

PASSWORD = f"{uuid.uuid4()} Aa1"


def kojo_mes(host: Host, *arguments: str) -> str:
    return str(host.check_output(f"kojo-mes {shlex.join(arguments)}"))


@pytest.fixture(scope="module")
def auditor(plant: Plant, host: Callable[[str], Host]) -> Iterator[str]:
    """The user name of an auditor, who has the plant's tests as its only life."""
    app = host(plant.groups["app"][0])
    name = f"test-{uuid.uuid4().hex[:12]}"
    token = kojo_mes(app, "user", "add", name, "--name", "Test Auditor", "--role", "auditor").strip()
    with edges.client(plant) as client:
        chosen = client.post("/api/v1/identity/passwords", json={"token": token, "new_password": PASSWORD})
        assert chosen.status_code == 200, chosen.text
    yield name
    kojo_mes(app, "user", "deactivate", name, "--reason", "end of the test")


@pytest.fixture
def session(plant: Plant, auditor: str) -> Iterator[httpx.Client]:
    with edges.client(plant) as client:
        answer = client.post("/api/v1/identity/sessions", json={"user_name": auditor, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        if policy := answer.json()["acknowledge"]:
            agreed = client.post(
                "/api/v1/identity/me/acknowledgements",
                json={"policy": policy},
                headers={"Idempotency-Key": str(uuid.uuid4())},
            )
            assert agreed.status_code == 200, agreed.text
        yield client
