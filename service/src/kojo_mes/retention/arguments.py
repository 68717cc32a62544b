"""`kojo-mes archive …`: its arguments, without what it needs when it runs."""

from __future__ import annotations

import argparse
from datetime import date, datetime
from pathlib import Path

CLASSES = ("audit", "readings")
EXIT_CODES = (
    "exit codes: 0 done; 1 refused, failed, or an archive that isn't as it was made; 2 wrong settings or arguments"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="archive", required=True, metavar="command")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=f"{text.capitalize()}.", epilog=EXIT_CODES)

    command = add("make", "write a month that is over to a new folder, with a signed manifest")
    _add_month(command)
    command.add_argument("folder", type=Path)
    add("due", "archive every closed month that has no archive, into KOJO_MES_ARCHIVE_DIRECTORY; one host does it")
    command = add("verify", "check an archive offline")
    command.add_argument("folder", type=Path)
    _add_key(command)
    command = add("restore", "load an archive into the database, read it back, and note that it is whole")
    command.add_argument("folder", type=Path)
    _add_key(command)
    command.add_argument("--table", type=_name, help="keep it as mes.TABLE (default: a temporary table)")
    command = add("detach", "take a month's table off, when its date has come and its archive was restored and checked")
    _add_month(command)


def _add_month(command: argparse.ArgumentParser) -> None:
    command.add_argument("kind", choices=CLASSES)
    command.add_argument("month", type=_month, metavar="YYYY-MM")


def _add_key(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--key", action="append", required=True, type=Path, help="a trusted public key (PEM); may be given again"
    )


def _month(text: str) -> date:
    return datetime.strptime(text, "%Y-%m").date()  # a month has no time zone


def _name(text: str) -> str:
    if not text.startswith("restored_") or not text.isidentifier() or not text.islower():
        raise ValueError("begins with restored_, in small letters")
    return text
