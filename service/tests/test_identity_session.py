"""Access by a person's token."""

from __future__ import annotations

import httpx
import psycopg
from conftest import client_of
from people import somebody

from kojo_mes.api import create_app
from kojo_mes.kit.settings import ApiSettings


async def test_a_token_is_its_sessions(settings: ApiSettings, admin: psycopg.Connection) -> None:
    app = create_app(settings)
    operator = somebody(admin, "operator")
    async with client_of(app) as client:
        client.headers.update(operator.headers(app))
        answer = await client.get("/api/v1/lines")
        assert answer.status_code == 200
