"""`kojo-mes archive make`, `verify`, `restore` and `detach`."""

from __future__ import annotations

import argparse
import sys

import psycopg

from kojo_mes.audit.findings import Finding
from kojo_mes.kit.keys import KeyFault, Keys, Signer
from kojo_mes.kit.settings import ArchiveSettings, SettingsError, load
from kojo_mes.retention import repository, service
from kojo_mes.retention.archive import Body, Class, Empty

DONE, FAILED, WRONG = 0, 1, 2


def run(options: argparse.Namespace) -> int:
    try:
        print(_verify(options) if options.archive == "verify" else _in_database(options))
    except (Finding, service.NotClosed, Empty, psycopg.Error) as error:
        print(f"kojo-mes archive {options.archive}: {' '.join(str(error).split())}", file=sys.stderr)
        return FAILED
    except (KeyFault, OSError) as error:
        print(f"kojo-mes archive {options.archive}: {error}", file=sys.stderr)
        return WRONG
    return DONE


def _verify(options: argparse.Namespace) -> str:
    return f"whole and unaltered: {_told(service.verify(options.folder, Keys.of_files(options.key)))}"


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
                table = repository.detach(connection, Class(options.kind), options.month)
                return f"detached: mes.{table}"


def _told(body: Body) -> str:
    return f"{body.archive} of {body.month:%Y-%m}, {body.rows} rows from {body.first_id} to {body.last_id}"
