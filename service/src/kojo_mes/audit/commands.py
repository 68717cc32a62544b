"""`kojo-mes audit verify` and `kojo-mes audit export`."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import socket
import sys
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from kojo_mes.audit.comparison import verify_records
from kojo_mes.audit.export import TooMany, export
from kojo_mes.audit.findings import Finding, Report
from kojo_mes.audit.manifest import Body
from kojo_mes.audit.schemas import Selection
from kojo_mes.audit.verify import NotVerifiable, verify
from kojo_mes.kit.database import Database, DatabaseUnavailable
from kojo_mes.kit.keys import KeyFault, Keys, Signer
from kojo_mes.kit.paper import FontMissing
from kojo_mes.kit.settings import AuditorSettings, SettingsError, load

DONE, FAILED, WRONG = 0, 1, 2


def run_verify(options: argparse.Namespace) -> int:
    if not (options.files or options.records) or bool(options.files) != bool(options.key):
        print("kojo-mes audit verify: give files with --key, or --records, or both", file=sys.stderr)
        return WRONG
    try:
        report = verify(options.files, Keys.of_files(options.key), options.seals)
        if options.records:
            asyncio.run(_verify_records(load(AuditorSettings), report))
    except Finding as finding:
        print(finding, file=sys.stderr)
        return FAILED
    except DatabaseUnavailable as error:
        print(f"kojo-mes audit verify: {error.__cause__ or error}", file=sys.stderr)
        return FAILED
    except (KeyFault, NotVerifiable, OSError) as error:
        print(f"kojo-mes audit verify: {error}", file=sys.stderr)
        return WRONG
    for note in report.notes:
        print(f"note: {note}")
    if options.files:
        print(
            f"whole and unaltered: {report.events} records in {report.seals} seals, {report.signatures} signatures, "
            f"{report.journal_lines} journal lines, {report.files} files"
        )
    if options.records:
        print(f"as the trail has them: {report.records} records of the database")
    return DONE


async def _verify_records(settings: AuditorSettings, report: Report) -> None:
    database = Database(settings)
    try:
        await verify_records(database, report)
    finally:
        await database.close()


def run_export(options: argparse.Namespace) -> int:
    settings = load(AuditorSettings)
    if settings.seal_key_file is None:
        raise SettingsError(["KOJO_MES_SEAL_KEY_FILE: is missing; the manifest is signed with it"])
    try:
        selection = _selection(options)
        folder = _empty(options.folder)
        body = asyncio.run(_export(settings, Signer.of_file(settings.seal_key_file), selection, options, folder))
    except (ValidationError, KeyFault, OSError) as error:
        print(f"kojo-mes audit export: {error}", file=sys.stderr)
        return WRONG
    except (TooMany, FontMissing, DatabaseUnavailable) as error:
        print(f"kojo-mes audit export: {error.__cause__ or error}", file=sys.stderr)
        return FAILED
    print(f"{body.events} records up to {body.until} in {folder}; {len(body.files)} files and manifest.json")
    return DONE


def _selection(options: argparse.Namespace) -> Selection:
    record_type, record_id = options.record
    start: datetime | None = options.start
    return Selection.model_validate(
        {
            "record_type": record_type,
            "record_id": record_id,
            "actor": options.actor,
            "action": options.action,
            "from": start,
            "to": options.end,
        }
    )


def _empty(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    return folder


async def _export(
    settings: AuditorSettings, signer: Signer, selection: Selection, options: argparse.Namespace, folder: Path
) -> Body:
    database = Database(settings)
    who = {"kind": "login", "id": f"{getpass.getuser()}@{socket.gethostname()}", "name": settings.audit_user}
    try:
        return await export(database, selection, options.format, folder, signer, who, settings.pdf_font)
    finally:
        await database.close()
