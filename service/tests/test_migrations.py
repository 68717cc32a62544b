"""The schema goes up, down and up again; the plant's page becomes rows; roles get what they need and no more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import servers
from conftest import PLANT_FILE, environment, fields

from kojo_mes.cli import main
from kojo_mes.kit.settings import MigrationSettings
from kojo_mes.lines.plant import Plant, PlantError, read_plant
from kojo_mes.migrate import BASE, migrate


@pytest.fixture
def owner(postgres: servers.Postgres, empty_database: str) -> MigrationSettings:
    return MigrationSettings(**fields(environment(postgres, empty_database)))


def tables(postgres: servers.Postgres, database: str) -> set[str]:
    with postgres.connect(database) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'mes'").fetchall()
    return {row[0] for row in rows}


def test_up_down_up(postgres: servers.Postgres, owner: MigrationSettings, plant: Plant) -> None:
    migrate(owner, plant)
    up = tables(postgres, owner.database_name)
    assert {"line", "equipment", "sensor", "reading", "idempotency_key"} <= up
    migrate(owner, plant, "0001")
    assert "reading" not in tables(postgres, owner.database_name)
    migrate(owner, plant, BASE)
    assert tables(postgres, owner.database_name) == {"alembic_version"}
    migrate(owner, plant)
    assert tables(postgres, owner.database_name) == up


def test_exit_codes_tell_what_there_is_to_do(
    postgres: servers.Postgres,
    empty_database: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment(postgres, empty_database).items():
        monkeypatch.setenv(name, value)
    assert main(["migrate", "--check"]) == 3
    assert tables(postgres, empty_database) == set()
    assert main(["migrate"]) == 0
    assert "changed: schema" in capsys.readouterr().out
    assert main(["migrate", "--check"]) == 0
    assert main(["migrate"]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_unknown_revision_fails(
    postgres: servers.Postgres, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(postgres, empty_database).items():
        monkeypatch.setenv(name, value)
    assert main(["migrate", "--to", "9999"]) == 1


def test_a_changed_page_is_pending_then_done(
    postgres: servers.Postgres, owner: MigrationSettings, plant: Plant
) -> None:
    migrate(owner, plant)
    page = plant.model_copy(update={"lines": plant.lines[:1]})
    assert migrate(owner, page, dry_run=True)
    assert migrate(owner, page)
    assert migrate(owner, page) == []
    with postgres.connect(owner.database_name) as connection:
        rows = connection.execute("SELECT id, retired_at IS NULL FROM mes.line ORDER BY id").fetchall()
    assert rows == [("line-1", True), ("line-2", False)]
    assert migrate(owner, plant), "a line that comes back is in use again"


def test_two_at_once_do_it_once(owner: MigrationSettings, plant: Plant) -> None:
    with ThreadPoolExecutor() as pool:
        outcomes = list(pool.map(lambda _: migrate(owner, plant), range(2)))
    assert sorted(map(bool, outcomes)) == [False, True]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mes.mine ()",
        "DELETE FROM mes.reading",
        "UPDATE mes.reading SET value = 0",
        "TRUNCATE mes.reading",
        "INSERT INTO mes.line VALUES ('x')",
        "DROP TABLE mes.line_total",
    ],
)
def test_the_application_has_no_more_than_it_needs(postgres: servers.Postgres, database: str, statement: str) -> None:
    with postgres.connect(database, "kojo_app") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


@pytest.mark.parametrize("role", ["kojo_read", "kojo_audit"])
def test_readers_read_only(postgres: servers.Postgres, database: str, role: str) -> None:
    with postgres.connect(database, role) as connection:
        connection.execute("SELECT * FROM mes.reading, mes.line")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT mes.make_reading_partitions(9)")


def test_wrong_page_names_file_and_key(tmp_path: Path) -> None:
    page = tmp_path / "plant.json"
    text = PLANT_FILE.read_text()
    page.write_text(text.replace('"ideal_cycle_time": 4.0', '"ideal_cycle_time": -4').replace("Asia/Tokyo", "Tokio"))
    with pytest.raises(PlantError) as caught:
        read_plant(page)
    assert [fault.split(": ")[:2] for fault in caught.value.faults] == [
        [str(page), "timezone"],
        [str(page), "lines.0.ideal_cycle_time"],
    ]
    page.write_text(text.replace("packer-1", "press-1"))
    with pytest.raises(PlantError, match="used twice: press-1"):
        read_plant(page)
