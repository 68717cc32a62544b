"""Which releases run on which schema: what is declared, what the database remembers, and who is refused."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import servers
from alembic.util import CommandError
from conftest import environment, fields
from future import CONTRACT, EXPAND, LATER, Release, Step, release

from kojo_mes.cli import main
from kojo_mes.kit.settings import MigrationSettings
from kojo_mes.lines.plant import Plant
from kojo_mes.migrate import migrate

__all__ = ["release"]

Say = pytest.CaptureFixture[str]


@pytest.fixture
def owner(
    postgres: servers.Postgres, empty_database: str, plant: Plant, release: Release, monkeypatch: pytest.MonkeyPatch
) -> MigrationSettings:
    """Of a plant whose schema is the first release's, which is what runs."""
    variables = environment(postgres, empty_database)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = MigrationSettings(**fields(variables))
    release()
    migrate(settings, plant)
    return settings


def told(capsys: Say, *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["schema", *arguments]) == 0
    said = json.loads(capsys.readouterr().out)
    assert isinstance(said, dict)
    return said


@pytest.mark.parametrize(
    ("steps", "oldest", "newest"),
    [
        ([], "0025", "0025"),
        ([EXPAND], "0026", "0026"),
        ([EXPAND, CONTRACT], "0026", "0027"),
        ([EXPAND, CONTRACT, LATER], "0028", "0028"),
    ],
)
def test_a_release_tells_its_range_without_a_database(
    release: Release, capsys: Say, steps: list[Step], oldest: str, newest: str
) -> None:
    release(*steps)
    assert told(capsys) == {"release": {"min": oldest, "max": newest}}


def test_what_is_live_and_what_is_pending(owner: MigrationSettings, release: Release, capsys: Say) -> None:
    release(EXPAND, CONTRACT)
    assert told(capsys, "--live") == {
        "release": {"min": "0026", "max": "0027"},
        "live": {"revision": "0025", "needs": None},
        "pending": [
            {"revision": "0026", "phase": "expand", "completes": None},
            {"revision": "0027", "phase": "contract", "completes": "0026"},
        ],
        "expanded": {"revision": "0026", "needs": None},
    }


def test_nothing_is_live_in_an_empty_database(
    postgres: servers.Postgres, empty_database: str, monkeypatch: pytest.MonkeyPatch, capsys: Say
) -> None:
    for name, value in environment(postgres, empty_database).items():
        monkeypatch.setenv(name, value)
    said = told(capsys, "--live")
    assert said["live"] == {"revision": None, "needs": None}
    assert said["pending"][0]["revision"] == "0001"


def test_no_database_is_a_failure(owner: MigrationSettings, monkeypatch: pytest.MonkeyPatch, capsys: Say) -> None:
    monkeypatch.setenv("KOJO_MES_DATABASE_HOSTS", "127.0.0.1:1")
    assert main(["schema", "--live"]) == 1
    assert capsys.readouterr().err.startswith("kojo-mes schema: ")


def test_expanding_leaves_what_only_takes_away(
    owner: MigrationSettings, plant: Plant, release: Release, capsys: Say
) -> None:
    release(EXPAND, CONTRACT)
    assert migrate(owner, plant, "expand") == ["schema: 0025 → 0026"]
    assert migrate(owner, plant, "expand") == []
    page = plant.model_copy(update={"lines": plant.lines[:1]})
    assert migrate(owner, page, "expand"), "the code runs on it, so the plant's page is brought in"
    migrate(owner, plant)
    assert migrate(owner, plant, "expand") == [], "nothing that ran is taken back"
    assert told(capsys, "--live")["live"] == {"revision": "0027", "needs": "0026"}


def test_a_skipped_releases_contraction_is_told_before_it_runs(
    owner: MigrationSettings, release: Release, capsys: Say
) -> None:
    release(EXPAND, CONTRACT, LATER)
    assert told(capsys, "--live")["expanded"] == {"revision": "0028", "needs": "0026"}


def test_an_older_release_leaves_a_schema_alone_that_was_only_added_to(
    owner: MigrationSettings, plant: Plant, release: Release, capsys: Say
) -> None:
    release(EXPAND)
    migrate(owner, plant)
    release()
    assert migrate(owner, plant) == []
    assert told(capsys, "--live")["live"] == {"revision": "0026", "needs": None}
    assert migrate(owner, plant.model_copy(update={"lines": plant.lines[:1]})), "its own work goes on"


def test_an_older_release_is_refused_once_something_is_gone(
    owner: MigrationSettings, plant: Plant, release: Release
) -> None:
    release(EXPAND, CONTRACT)
    migrate(owner, plant)
    release(EXPAND)
    assert migrate(owner, plant) == [], "the release before the contraction knows that it comes"
    release()
    with pytest.raises(CommandError, match=r"schema 0027, which needs a release that knows 0026.* up to 0025"):
        migrate(owner, plant)


def test_what_came_back_is_no_longer_needed(
    owner: MigrationSettings, plant: Plant, release: Release, capsys: Say
) -> None:
    release(EXPAND, CONTRACT, down="SELECT 2")
    migrate(owner, plant)
    migrate(owner, plant, "0026")
    assert told(capsys, "--live")["live"] == {"revision": "0026", "needs": None}


def test_a_revision_of_nowhere_is_refused(
    owner: MigrationSettings, plant: Plant, postgres: servers.Postgres, release: Release
) -> None:
    release(EXPAND)
    with postgres.connect(owner.database_name) as connection:
        connection.execute("UPDATE mes.alembic_version SET version_num = '0012'")
    with pytest.raises(CommandError, match="schema 0012"):
        migrate(owner, plant)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (("0026", "", "SELECT 1"), 'migration 0026: phase is None; write phase = "expand"'),
        (("0026", 'phase = "grow"', "SELECT 1"), "phase is 'grow'"),
        (("0026", 'phase = "contract"', "SELECT 1"), "completes is None; .* one of 0025"),
        (("0026", 'phase = "contract"\ncompletes = "0026"', "SELECT 1"), "completes is '0026'"),
        (("0026", 'phase = "contract"\ncompletes = "0024"', "SELECT 1"), "completes is '0024'"),
        (("0026", 'phase = "expand"\ncompletes = "0025"', "SELECT 1"), "only a contracting"),
        (("26", 'phase = "expand"', "SELECT 1"), "migration 26: .* not four digits above 0025"),
    ],
)
def test_a_step_says_what_it_is(release: Release, capsys: Say, step: Step, says: str) -> None:
    release(step)
    assert main(["schema"]) == 1
    assert re.search(says, capsys.readouterr().err)
