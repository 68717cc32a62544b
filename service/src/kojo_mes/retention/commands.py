"""`kojo-mes archive make`, `verify`, `restore` and `detach`."""

from __future__ import annotations

import argparse
import sys

import psycopg

from kojo_mes.audit.findings import Finding
from kojo_mes.kit.keys import KeyFault, Keys, Signer
from kojo_mes.kit.settings import ArchiveSettings, ArchivistSettings, SettingsError, load
from kojo_mes.retention import service
from kojo_mes.retention.archive import Body, Class, Empty

DONE, FAILED, WRONG = 0, 1, 2


def run(options: argparse.Namespace) -> int:
    try:
        match options.archive:
            case "verify":
                print(_verify(options))
            case "due":
                _make_due()
            case _:
                print(_in_database(options))
    except (Finding, service.NotClosed, Empty, psycopg.Error) as error:
        print(f"kojo-mes archive {options.archive}: {' '.join(str(error).split())}", file=sys.stderr)
        return FAILED
    except (KeyFault, OSError) as error:
        print(f"kojo-mes archive {options.archive}: {error}", file=sys.stderr)
        return WRONG
    return DONE


def _verify(options: argparse.Namespace) -> str:
    return f"whole and unaltered: {_told(service.verify(options.folder, Keys.of_files(options.key)))}"


def _make_due() -> None:
    settings = load(ArchivistSettings)
    if settings.seal_key_file is None or settings.archive_directory is None:
        needed = {"SEAL_KEY_FILE": settings.seal_key_file, "ARCHIVE_DIRECTORY": settings.archive_directory}
        raise SettingsError([f"KOJO_MES_{name}: is missing" for name, value in needed.items() if value is None])
    with psycopg.connect(settings.conninfo()) as connection:
        made = 0
        try:
            for made, body in enumerate(  # noqa: B007  # read below
                service.make_due(connection, settings.archive_directory, Signer.of_file(settings.seal_key_file)), 1
            ):
                print(f"archived: {_told(body)}")
        except service.Busy as busy:
            print(f"nothing to do: {busy}")
            return
    if not made:
        print("nothing to do: every closed month has its archive")


def _in_database(options: argparse.Namespace) -> str:
    settings = load(ArchiveSettings)
    with psycopg.connect(settings.conninfo()) as connection:
        match options.archive:
            case "make":
                if settings.seal_key_file is None:
                    raise SettingsError(["KOJO_MES_SEAL_KEY_FILE: is missing; archives are signed with it"])
                signer = Signer.of_file(settings.seal_key_file)
                body = service.make(connection, Class(options.kind), options.month, options.folder, signer)
                return f"archived: {_told(body)}"
            case "restore":
                body = service.restore(connection, options.folder, Keys.of_files(options.key), options.table)
                return f"restored, whole and unaltered: {_told(body)}"
            case _:
                return f"detached: mes.{service.detach(connection, Class(options.kind), options.month)}"


def _told(body: Body) -> str:
    return f"{body.archive} of {body.month:%Y-%m}, {body.rows} rows from {body.first_id} to {body.last_id}"
