"""A device whose certificate is bound is known by the certificate that the listener itself verified."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from pathlib import Path

import httpx
import psycopg
import uvicorn
from authority import issue
from conftest import key
from people import somebody
from servers import free_port, wait_until
from test_people import API

from kojo_mes.api import create_app
from kojo_mes.kit.server import configuration
from kojo_mes.kit.settings import ApiSettings, ListenSettings


async def test_the_key_of_a_device_needs_its_certificate(
    settings: ApiSettings, admin: psycopg.Connection, tmp_path: Path
) -> None:
    files, port = issue(tmp_path, "plant"), free_port()
    listen = ListenSettings(
        environment=settings.environment, tls_certificate=files.certificate, tls_key=files.key, tls_ca=files.ca
    )
    app = create_app(settings)
    server = uvicorn.Server(configuration(app, listen, port))
    serving = asyncio.create_task(server.serve())
    await asyncio.to_thread(wait_until, lambda: server.started, "the listener")
    context = ssl.create_default_context(cafile=files.ca)
    context.load_cert_chain(files.certificate, files.key)
    own = hashlib.sha256(ssl.PEM_cert_to_DER_cert(files.certificate.read_text())).hexdigest()
    administrator = somebody(admin, "administrator")
    answers = {}
    async with httpx.AsyncClient(base_url=f"https://127.0.0.1:{port}", verify=context, timeout=60) as client:
        for name, fingerprint in (("right", own), ("wrong", "a" * 64)):
            body = {"name": name, "equipment": ["press-1"], "certificate_sha256": fingerprint}
            headers = administrator.headers(app) | key()
            added = (await client.post(f"{API}/devices", json=body, headers=headers)).json()
            device = {"Authorization": f"Bearer {added['key']}"}
            answers[name] = (await client.get("/api/v1/lines", headers=device)).status_code
    server.should_exit = True
    await serving
    assert answers == {"right": 200, "wrong": 401}
