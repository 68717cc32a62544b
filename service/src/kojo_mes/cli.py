"""`kojo-mes`: one command, several processes. Each imports what it alone needs when it runs: starts stay light."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from sqlalchemy.exc import DBAPIError

import kojo_mes
from kojo_mes.audit.arguments import add_arguments as add_audit_arguments
from kojo_mes.identity.arguments import add_arguments as add_user_arguments
from kojo_mes.kit import logging
from kojo_mes.kit.exporter import Collect, create_exporter
from kojo_mes.kit.server import serve
from kojo_mes.kit.settings import (
    ApiSettings,
    ArchivistSettings,
    ExporterSettings,
    MigrationSettings,
    Settings,
    SettingsError,
    load,
)
from kojo_mes.lines import collector as lines
from kojo_mes.lines.plant import PlantError, read_plant
from kojo_mes.quality import collector as quality
from kojo_mes.readings import collector as readings
from kojo_mes.retention.arguments import add_arguments as add_archive_arguments
from kojo_mes.simulator.arguments import add_arguments

API_PORT = 8101
DONE, FAILED, WRONG_SETTINGS, PENDING = 0, 1, 2, 3
EXIT_CODES = "exit codes: 0 done, 1 failed, 2 wrong settings or arguments"
CHECK_CODES = "exit codes: 0 all is right, 2 wrong settings or arguments, or a connection fails"


@dataclass(frozen=True)
class Exporter:
    collect: Collect
    path: str
    port: int
    help: str


EXPORTERS = {
    "line-monitor": Exporter(lines.collect, "/metrics", 9090, "export status, efficiency and health of the lines"),
    "quality": Exporter(quality.collect, "/quality/metrics", 8081, "export quality checks of the lines"),
    "gateway": Exporter(readings.collect, "/iot/metrics", 8080, "export what the lines' sensors sent"),
}
CHECKED: dict[str, type[Settings]] = {
    "api": ApiSettings,
    "migrate": MigrationSettings,
    "archive": ArchivistSettings,
    **dict.fromkeys(EXPORTERS, ExporterSettings),
}


def main(arguments: list[str] | None = None) -> int:
    options = command_line().parse_args(arguments)
    logging.configure(options.command)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (SettingsError, PlantError) as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return WRONG_SETTINGS
    except (DBAPIError, psycopg.Error) as error:
        print(f"kojo-mes {options.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return FAILED


def command_line() -> argparse.ArgumentParser:
    """Every command and its own commands; each has its exit codes in its help."""
    parser = argparse.ArgumentParser(
        prog="kojo-mes",
        description="Kojo's manufacturing service. Settings are KOJO_MES_* variables; service/README.md lists them.",
        epilog=f"{EXIT_CODES}; some commands have further ones: kojo-mes COMMAND --help",
    )
    parser.add_argument("--version", action="version", version=kojo_mes.VERSION)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    def add(
        name: str, run: Callable[[argparse.Namespace], int], text: str, codes: str = EXIT_CODES
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=codes)
        command.set_defaults(run=run)
        return command

    add("api", _api, f"serve the API (port {API_PORT})")
    for name, exporter in EXPORTERS.items():
        add(name, _exporter, f"{exporter.help} (port {exporter.port}, {exporter.path})")
    pending = f"{EXIT_CODES}, 3 changes are pending (--check)"
    command = add("migrate", _migrate, "bring schema, lines and partitions up to date", pending)
    command.add_argument("--check", action="store_true", help="change nothing; exit 3 when there is something to do")
    command.add_argument("--to", default="head", metavar="REVISION", help="a revision, head (default), expand or base")
    command = add("schema", _schema, "tell which schemas this release works with, as JSON")
    command.add_argument("--live", action="store_true", help="also the database's own schema, and what is pending")
    command = add("check", _check, "check a process's settings and connections, and name all faults", CHECK_CODES)
    command.add_argument("process", nargs="?", default="api", choices=CHECKED, help="default: api")
    add_audit_arguments(add("audit", _audit_verify, "verify or export the audit trail"), _audit_verify, _audit_export)
    add_user_arguments(add("user", _user, "keep people and their job roles"))
    add_archive_arguments(add("archive", _archive, "keep months of readings and audit rows for their seven years"))
    add_arguments(add("simulate", _simulate, "play the plant's lines against the API"))
    return parser


def _api(_options: argparse.Namespace) -> int:
    from kojo_mes.api import create_app

    settings = load(ApiSettings)
    app = create_app(settings)
    return DONE if serve(app, settings, API_PORT, leave=app.state.live.leave) else FAILED


def _exporter(options: argparse.Namespace) -> int:
    exporter = EXPORTERS[options.command]
    settings = load(ExporterSettings)
    app = create_exporter(settings, exporter.collect, exporter.path)
    return DONE if serve(app, settings, exporter.port) else FAILED


def _migrate(options: argparse.Namespace) -> int:
    from alembic.util import CommandError

    from kojo_mes.migrate import migrate

    settings = load(MigrationSettings)
    try:
        changes = migrate(settings, read_plant(settings.plant_file), options.to, dry_run=options.check)
    except CommandError as error:
        print(f"kojo-mes migrate: {error}", file=sys.stderr)
        return FAILED
    for change in changes:
        print(f"{'pending' if options.check else 'changed'}: {change}")
    if not changes:
        print("nothing to do")
    return PENDING if changes and options.check else DONE


def _schema(options: argparse.Namespace) -> int:
    from alembic.util import CommandError

    from kojo_mes.migrations.chain import Chain
    from kojo_mes.schema import of_database, of_release

    try:
        chain = Chain.read()
    except CommandError as error:
        print(f"kojo-mes schema: {error}", file=sys.stderr)
        return FAILED
    live = of_database(load(MigrationSettings), chain) if options.live else {}
    print(json.dumps(of_release(chain) | live))
    return DONE


def _check(options: argparse.Namespace) -> int:
    from kojo_mes.check import check

    faults = check(CHECKED[options.process])
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        return WRONG_SETTINGS
    print(f"{options.process}: settings and connections are right")
    return DONE


def _audit_verify(options: argparse.Namespace) -> int:
    from kojo_mes.audit.commands import run_verify

    return run_verify(options)


def _audit_export(options: argparse.Namespace) -> int:
    from kojo_mes.audit.commands import run_export

    return run_export(options)


def _user(options: argparse.Namespace) -> int:
    from kojo_mes.identity.commands import run

    return run(options)


def _archive(options: argparse.Namespace) -> int:
    from kojo_mes.retention.commands import run

    return run(options)


def _simulate(options: argparse.Namespace) -> int:
    from kojo_mes.simulator.run import run

    return run(options)


if __name__ == "__main__":
    sys.exit(main())
