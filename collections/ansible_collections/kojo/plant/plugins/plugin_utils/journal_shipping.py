# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Sends a journal's records to the service, which takes each in once and keeps them in its own sealed trail."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import time
import uuid
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from ansible_collections.kojo.plant.plugins.plugin_utils.journal_file import journal_files
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_settings import Settings

MOST_LINES = 500
MOST_BYTES = 900 * 2**10  # the service takes a MiB
PATIENCE = 10.0
CONNECTING = 2.0
NUMBER = re.compile(rb'"sequence":(\d+),"signature":"[0-9a-f]+","writer":"[^"]*"\}\n$')


class Refused(Exception):
    """The service answered, and took no records: what it said."""

    def __init__(self, detail: str, *, lacks_earlier: bool = False) -> None:
        super().__init__(detail)
        self.lacks_earlier = lacks_earlier


def ship(settings: Settings, patience: float = PATIENCE) -> int:
    """Sends what the service hasn't, as far as PATIENCE seconds reach; returns how many records it took.

    OSError when it isn't reachable, Refused when it said no. The next run goes on where this one ended.
    """
    if settings.service is None or not settings.service.authority.is_file():
        return 0
    until = time.monotonic() + patience
    cursor = settings.directory / f"{settings.plant}.{settings.writer}.shipped"
    try:
        return _ship(settings, cursor, _read(cursor), until)
    except Refused as refused:
        if not refused.lacks_earlier or _read(cursor) == 0:
            raise
        # its database is older than our journal: it came from a backup
        return _ship(settings, cursor, 0, until)


def _ship(settings: Settings, cursor: Path, sent: int, until: float) -> int:
    taken = 0
    for batch in _batches(_after(settings, sent)):
        left = until - time.monotonic()
        if left <= 0:
            break
        taken += _post(settings, b"".join(text for _, text in batch), left)
        cursor.write_text(f"{batch[-1][0]}\n", encoding="ascii")
    return taken


def _read(cursor: Path) -> int:
    """The last record that was sent. Only a hint: the service knows what it has."""
    try:
        return int(cursor.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return 0


def _after(settings: Settings, sent: int) -> Iterator[tuple[int, bytes]]:
    for path in journal_files(settings.directory, settings.plant, settings.writer):
        last = re.search(r"-(\d+)\.jsonl$", path.name)
        if last and int(last[1]) <= sent:
            continue
        with path.open("rb") as file:
            for text in file:
                number = NUMBER.search(text)
                if number and int(number[1]) > sent:
                    yield int(number[1]), text


def _batches(lines: Iterable[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    batch: list[tuple[int, bytes]] = []
    size = 0
    for line in lines:
        if batch and (len(batch) == MOST_LINES or size + len(line[1]) > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line[1])
    if batch:
        yield batch


def _post(settings: Settings, body: bytes, patience: float) -> int:
    assert settings.service  # ship asked
    url = urlsplit(settings.service.url)
    trusted = ssl.create_default_context(cafile=settings.service.authority)
    connection = http.client.HTTPSConnection(
        url.hostname or "", url.port, timeout=min(CONNECTING, patience), context=trusted
    )
    headers = {
        "Authorization": f"Bearer {settings.service.key}",
        "Content-Type": "application/x-ndjson",
        "Idempotency-Key": str(uuid.uuid4()),
    }
    try:
        connection.connect()
        if isinstance(connection.sock, socket.socket):
            connection.sock.settimeout(patience)
        connection.request("POST", f"{url.path}/api/v1/audit/journal", body, headers)
        answer = connection.getresponse()
        said = answer.read(2**16)
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP: {error}") from error
    finally:
        connection.close()
    return _accepted(answer.status, said)


def _accepted(status: int, said: bytes) -> int:
    try:
        values = json.loads(said)
    except ValueError:
        values = {}
    if status == HTTPStatus.OK:
        return int(values.get("accepted", 0))
    detail = str(values.get("detail") or values.get("title") or "")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        raise OSError(f"it answered {status} {detail}".strip())
    broken = str(values.get("type", "")).endswith("journal-broken")
    raise Refused(f"{status} {detail}".strip(), lacks_earlier=broken and "removed" in detail)
