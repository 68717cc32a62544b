"""Each revision of the schema alone: its `down` takes back all of its `up`, and no second `up` leads elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import servers
from alembic.script import ScriptDirectory
from conftest import environment, fields

from kojo_mes import migrations
from kojo_mes.kit.settings import MigrationSettings
from kojo_mes.lines.plant import Plant
from kojo_mes.migrate import BASE, migrate

(FOLDER,) = migrations.__path__
REVISIONS = [step.revision for step in ScriptDirectory(FOLDER).walk_revisions()][::-1]
PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits"


def schema(postgres: servers.Postgres, database: str) -> list[str]:
    """Without months: the newest revision makes them ahead, and by the clock."""
    with postgres.connect(database) as connection:
        partitions = [name for (name,) in connection.execute(PARTITIONS)]
    return postgres.schema(database, "mes.alembic_version", *partitions)


@pytest.fixture
def owner(postgres: servers.Postgres, empty_database: str) -> MigrationSettings:
    return MigrationSettings(**fields(environment(postgres, empty_database)))


def test_every_revision_has_a_file() -> None:
    assert len(REVISIONS) == len(list(Path(FOLDER, "versions").glob("[0-9]*.py")))


def test_each_revision_up_down_and_up(postgres: servers.Postgres, owner: MigrationSettings, plant: Plant) -> None:
    made: dict[str, list[str]] = {}
    for revision in REVISIONS:
        migrate(owner, plant, revision)
        made[revision] = schema(postgres, owner.database_name)
    assert len({tuple(lines) for lines in made.values()}) == len(REVISIONS), "each revision changes the schema"
    for revision in REVISIONS[-2::-1]:
        migrate(owner, plant, revision)
        assert schema(postgres, owner.database_name) == made[revision], f"the one after {revision} isn't taken back"
    migrate(owner, plant, BASE)
    left = [line for line in schema(postgres, owner.database_name) if line.startswith("CREATE")]
    assert left == ["CREATE SCHEMA mes;"]
    for revision in REVISIONS:
        migrate(owner, plant, revision)
        assert schema(postgres, owner.database_name) == made[revision], f"{revision} is another the second time"
