"""A month's way: archived when it is closed, restored to be checked, detached when its date has come."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg

from kojo_mes.audit.findings import Finding, Kind
from kojo_mes.kit import console
from kojo_mes.kit.audit import RecordRef, record_by_command
from kojo_mes.kit.keys import Keys, Signer
from kojo_mes.retention import archive, repository
from kojo_mes.retention.archive import MANIFEST, ROWS, Body, Class, Summary
from kojo_mes.retention.repository import STORED


class NotClosed(Exception):
    """The month may still take rows."""


class Busy(Exception):
    """Another process of the plant archives months."""


def name_of(kind: Class, month: date) -> str:
    """Of an archive's folder: `audit-2026-01`."""
    return f"{kind}-{month:%Y-%m}"


def make(connection: psycopg.Connection, kind: Class, month: date, folder: Path, signer: Signer) -> Body:
    """Archives a month into a new folder, and notes it. NotClosed, archive.Empty, psycopg.Error."""
    if not repository.closed(connection, kind, month):
        raise NotClosed(f"{kind} of {month:%Y-%m} may still take rows; archive it when the month is over and settled")
    body = _write(connection, kind, month, folder, signer)
    _note(connection, body, folder)
    return body


def make_due(connection: psycopg.Connection, directory: Path, signer: Signer) -> Iterator[Body]:
    """Archives, reads back and notes every month that is closed and has no archive. Busy, Finding, psycopg.Error."""
    if not repository.be_the_one(connection):
        raise Busy("another host is at it")
    for kind, month in repository.due(connection):
        folder = directory / name_of(kind, month)
        if not folder.exists():
            _write_whole(connection, kind, month, folder, signer)
        # also one that an earlier run had no time to note
        body = verify(folder, signer.keys())
        _note(connection, body, folder)
        yield body


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
    columns = next(archive.lines(folder)).keys()
    for _ in summary.pass_by(repository.rows(connection, kind, target, columns)):
        pass
    if difference := summary.differs(body):
        raise Finding(Kind.EDITED, folder / ROWS, None, f"restored {kind} of {body.month:%Y-%m}", difference)
    repository.remember(connection, body, (folder / MANIFEST).read_text())
    repository.checked(connection, body)
    _record(connection, "archives:check", kind, body.month, root=body.root, table=table)
    connection.commit()
    return body


def detach(connection: psycopg.Connection, kind: Class, month: date) -> str:
    """The name of the month's table, which is one of its own now. psycopg.Error when it may not go yet."""
    table = repository.detach(connection, kind, month)
    _record(connection, "archives:detach", kind, month, table=table)
    connection.commit()
    return table


def _write(connection: psycopg.Connection, kind: Class, month: date, folder: Path, signer: Signer) -> Body:
    rows = repository.rows(connection, kind, repository.of_month(kind, month))
    body = archive.write(folder, kind, month, rows, STORED[kind].identify, signer)
    connection.rollback()  # reading back takes longer than a transaction may idle
    return body


def _write_whole(connection: psycopg.Connection, kind: Class, month: date, folder: Path, signer: Signer) -> None:
    """The folder appears when all of it is on disk."""
    partial = folder.with_name(f".{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    _write(connection, kind, month, partial, signer)
    for path in (*partial.iterdir(), partial):
        _sync(path)
    partial.rename(folder)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _note(connection: psycopg.Connection, body: Body, folder: Path) -> None:
    repository.remember(connection, body, (folder / MANIFEST).read_text())
    _record(connection, "archives:make", body.archive, body.month, root=body.root, rows=body.rows)
    connection.commit()


def _record(connection: psycopg.Connection, action: str, kind: Class, month: date, **new: object) -> None:
    record_by_command(connection, console.actor(), action, RecordRef("archive", name_of(kind, month)), new=new)
