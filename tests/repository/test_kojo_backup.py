"""Which backup is due, and what the metrics look like: kojo-backup, without pgBackRest."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "roles/pgbackrest/files/kojo-backup.py"
DAY = 86400
NOW = 1_800_000_000


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kojo_backup", PROGRAM)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def backup(kind: str, days_ago: float) -> dict[str, Any]:
    return {"type": kind, "timestamp": {"stop": NOW - days_ago * DAY}}


@pytest.mark.parametrize(
    ("present", "due"),
    [
        ([], "full"),
        ([backup("diff", 1)], "full"),
        ([backup("full", 1)], "diff"),
        # a run begins at a random moment, so a week is up half a day early
        ([backup("full", 6.4)], "diff"),
        ([backup("full", 6.6)], "full"),
        ([backup("full", 13), backup("full", 6), backup("diff", 5)], "diff"),
    ],
)
def test_the_kind_that_is_due(program: ModuleType, present: list[dict[str, Any]], due: str) -> None:
    assert program.choose(present, 7, NOW) == due


def test_the_exposition_format(program: ModuleType) -> None:
    text = program.exposition(
        [
            ("manufacturing_backup_count", {"type": "full"}, 2),
            ("manufacturing_backup_success", {}, 1.0),
            ("manufacturing_backup_count", {"type": "diff"}, 0),
        ]
    )
    assert text == (
        "# HELP manufacturing_backup_count Backups of the type in the repository.\n"
        "# TYPE manufacturing_backup_count gauge\n"
        'manufacturing_backup_count{type="full"} 2\n'
        'manufacturing_backup_count{type="diff"} 0\n'
        "# HELP manufacturing_backup_success Whether the last run made a backup and found the repository sound.\n"
        "# TYPE manufacturing_backup_success gauge\n"
        "manufacturing_backup_success 1\n"
    )


def test_a_file_of_metrics_is_replaced_whole_and_readable(program: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.prom"
    program.write(path, [("manufacturing_backup_success", {}, 0.0)])
    program.write(path, [("manufacturing_backup_success", {}, 1.0)])
    assert path.read_text().endswith("\nmanufacturing_backup_success 1\n")
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_word_that_it_does_not_know_shows_how_it_is_used(program: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"kojo-backup run auto\|full\|diff"):
        program.main(["run", "everything"])
