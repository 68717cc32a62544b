"""`kojo-mes audit …`: its arguments, without what it needs when it runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from kojo_mes.audit.schemas import Format

EXIT_CODES = (
    "exit codes: 0 done, every record is as it was sealed, or as the trail has it; 1 a record is bad (the first is "
    "named), the export failed, or the database is not available; 2 wrong settings or arguments, or a file that can't "
    "be read or carries no proof"
)


def add_arguments(parser: argparse.ArgumentParser, verify: Run, export: Run) -> None:
    commands = parser.add_subparsers(dest="audit", required=True, metavar="command")

    text = "check exports, journals and archives offline, or the database's records, and name the first bad record"
    command = commands.add_parser("verify", help=text, description=f"{text.capitalize()}.", epilog=EXIT_CODES)
    command.set_defaults(run=verify)
    command.add_argument("files", nargs="*", type=Path, metavar="FILE", help="manifest.json, or JSON Lines")
    command.add_argument(
        "--key", action="append", default=[], type=Path, help="a trusted public key (PEM); may be given again"
    )
    command.add_argument(
        "--records",
        action="store_true",
        help="hold the database's records against its trail, as KOJO_MES_AUDIT_USER; verify an export of the trail too",
    )
    command.add_argument(
        "--seals",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="seals-YYYY-MM.jsonl from KOJO_MES_SEAL_DIRECTORY, in order: shows what was cut off or sealed anew",
    )

    text = "write the audit trail, or a selection of it, to files with a signed manifest"
    command = commands.add_parser("export", help=text, description=f"{text.capitalize()}.", epilog=EXIT_CODES)
    command.set_defaults(run=export)
    command.add_argument("folder", type=Path, metavar="FOLDER", help="a new or empty folder")
    command.add_argument("--format", type=Format, choices=tuple(Format), default=Format.JSON_LINES)
    command.add_argument("--record", nargs=2, metavar=("TYPE", "ID"), default=(None, None))
    command.add_argument("--actor", metavar="ID")
    command.add_argument("--action", metavar="DOMAIN:VERB")
    command.add_argument("--from", dest="start", type=_moment, metavar="TIME", help="ISO 8601 with its offset")
    command.add_argument("--to", dest="end", type=_moment, metavar="TIME", help="up to before then")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("has no offset from UTC")
    return moment


Run = Callable[[argparse.Namespace], int]
