#!/usr/bin/python3
"""Backs up the plant's database with pgBackRest, verifies the repository, and reports both as metrics.

    kojo-backup run auto|full|diff     as the repository's user
    kojo-backup metrics DIRECTORY      as root: writes *.prom files for the node exporter

The stanza, repository and age of a full backup come from the unit's environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DAY = 86400
Metric = tuple[str, dict[str, str], float]

HELP = {
    "manufacturing_backup_last_success_timestamp_seconds": "End of the last backup of the type.",
    "manufacturing_backup_count": "Backups of the type in the repository.",
    "manufacturing_backup_repository_bytes": "Size of the backups in the repository.",
    "manufacturing_wal_archive_last_timestamp_seconds": "When the newest WAL file came into the repository.",
    "manufacturing_backup_success": "Whether the last run made a backup and found the repository sound.",
    "manufacturing_backup_last_run_timestamp_seconds": "End of the last run.",
}


def pgbackrest(*arguments: str) -> str:
    """What pgBackRest printed; its messages go to the journal."""
    return subprocess.run(["pgbackrest", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def backups() -> list[dict[str, Any]]:
    stanzas = json.loads(pgbackrest("--output=json", "--log-level-console=off", "info"))
    return [backup for stanza in stanzas for backup in stanza.get("backup", [])]


def choose(present: list[dict[str, Any]], full_every_days: int, now: float) -> str:
    """`full` when the last full backup is too old for another difference to it."""
    full = [backup["timestamp"]["stop"] for backup in present if backup["type"] == "full"]
    return "diff" if full and now - max(full) < (full_every_days - 0.5) * DAY else "full"


def run(kind: str) -> None:
    present = backups()
    if not present:
        pgbackrest("stanza-create")
    if kind == "auto":
        kind = choose(present, int(os.environ["KOJO_BACKUP_FULL_EVERY_DAYS"]), time.time())
    pgbackrest(f"--type={kind}", "backup")
    report = pgbackrest("--output=text", "verify")
    print(report)
    if "status: error" in report:
        sys.exit("kojo-backup: the repository has faults, see above")


def newest_wal(archive: Path) -> float | None:
    return max((path.stat().st_mtime for path in archive.glob("*/*/*") if path.is_file()), default=None)


def repository_metrics() -> list[Metric]:
    metrics: list[Metric] = []
    present = backups()
    for kind in ("full", "diff"):
        stops = [backup["timestamp"]["stop"] for backup in present if backup["type"] == kind]
        metrics.append(("manufacturing_backup_last_success_timestamp_seconds", {"type": kind}, max(stops, default=0)))
        metrics.append(("manufacturing_backup_count", {"type": kind}, len(stops)))
    size = sum(backup["info"]["repository"]["delta"] for backup in present)
    metrics.append(("manufacturing_backup_repository_bytes", {}, size))
    archived = newest_wal(Path(os.environ["PGBACKREST_REPO1_PATH"], "archive", os.environ["PGBACKREST_STANZA"]))
    if archived is not None:
        metrics.append(("manufacturing_wal_archive_last_timestamp_seconds", {}, archived))
    return metrics


def run_metrics(result: str) -> list[Metric]:
    return [
        ("manufacturing_backup_success", {}, float(result == "success")),
        ("manufacturing_backup_last_run_timestamp_seconds", {}, time.time()),
    ]


def exposition(metrics: list[Metric]) -> str:
    lines = []
    for name in dict.fromkeys(metric[0] for metric in metrics):
        lines += [f"# HELP {name} {HELP[name]}", f"# TYPE {name} gauge"]
        for _, labels, value in (metric for metric in metrics if metric[0] == name):
            shown = ",".join(f'{key}="{text}"' for key, text in labels.items())
            lines.append(f"{name}{{{shown}}} {value:.0f}" if shown else f"{name} {value:.0f}")
    return "\n".join(lines) + "\n"


def write(path: Path, metrics: list[Metric]) -> None:
    """Whole or not at all: the node exporter reads at any moment."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(exposition(metrics))
        os.fchmod(file.fileno(), 0o644)
    Path(file.name).replace(path)


def main(arguments: list[str]) -> None:
    match arguments:
        case ["run", ("auto" | "full" | "diff") as kind]:
            run(kind)
        case ["metrics", directory]:
            # systemd tells how the run ended; between runs, only the repository is looked at
            if "SERVICE_RESULT" in os.environ:
                write(Path(directory, "kojo-backup-run.prom"), run_metrics(os.environ["SERVICE_RESULT"]))
            write(Path(directory, "kojo-backup-repository.prom"), repository_metrics())
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
