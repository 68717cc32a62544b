"""A month's way: archived when it is closed, restored to be checked, detached when its date has come."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import psycopg

from kojo_mes.audit.findings import Finding, Kind
from kojo_mes.kit.canonical import canonical
from kojo_mes.kit.keys import Keys, Signer
from kojo_mes.retention import archive, repository
from kojo_mes.retention.archive import MANIFEST, ROWS, Body, Class, Summary
from kojo_mes.retention.repository import STORED


class NotClosed(Exception):
    """The month may still take rows."""


def make(connection: psycopg.Connection, kind: Class, month: date, folder: Path, signer: Signer) -> Body:
    """Archives a month into a new folder, and notes it. NotClosed, archive.Empty, psycopg.Error."""
    if not repository.closed(connection, kind, month):
        raise NotClosed(f"{kind} of {month:%Y-%m} may still take rows; archive it when the month is over and settled")
    rows = repository.rows(connection, kind, repository.partition(kind, month))
    body = archive.write(folder, kind, month, rows, STORED[kind].identify, signer)
    repository.remember(connection, body, (folder / MANIFEST).read_text())
    connection.commit()
    return body


def verify(folder: Path, keys: Keys) -> Body:
    """Offline. Finding, OSError."""
    kind = archive.read_manifest(folder, keys).archive
    return archive.verify(folder, keys, STORED[kind].identify)


def restore(connection: psycopg.Connection, folder: Path, keys: Keys, table: str | None = None) -> Body:
    """Loads a month into a table of its form, reads it back and holds it against the manifest; notes that it was.

    Into a temporary table, or into mes.`table`, which stays. Finding when what comes back isn't what was archived.
    """
    body = verify(folder, keys)
    kind = body.archive
    target = repository.keep_as(connection, kind, table) if table else repository.scratch(connection, kind)
    repository.copy_in(connection, kind, target, archive.lines(folder), json.dumps)
    summary = Summary(STORED[kind].identify)
    for _ in summary.pass_by(repository.rows(connection, kind, target)):
        pass
    if difference := summary.differs(body):
        raise Finding(Kind.EDITED, folder / ROWS, None, f"restored {kind} of {body.month:%Y-%m}", difference)
    repository.remember(connection, body, canonical(body).decode())
    repository.checked(connection, body)
    connection.commit()
    return body
