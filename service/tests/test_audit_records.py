"""`kojo-mes audit verify --records`: what a superuser did to a record, past every trigger, is found and named."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import servers
from conftest import fields
from floor import LINE, Floor, floor
from laboratory import Laboratory, laboratory
from psycopg import sql

from kojo_mes.cli import main
from kojo_mes.kit.settings import MigrationSettings
from kojo_mes.lines.plant import Plant
from kojo_mes.migrate import migrate
from kojo_mes.shifts.page import plan_due

__all__ = ["floor", "laboratory"]
GOOD, BAD = (74.0, 74.01, 73.99), (74.0, 74.01, 75.0)


@dataclass
class Auditor:
    admin: psycopg.Connection
    capsys: pytest.CaptureFixture[str]

    async def verify(self) -> tuple[int, str]:
        self.capsys.readouterr()
        code = await asyncio.to_thread(main, ["audit", "verify", "--records"])
        said = self.capsys.readouterr()
        return code, (said.err if code else said.out).strip()

    @contextlib.contextmanager
    def unseen(self, table: str) -> Iterator[None]:
        """As a superuser can make it: no trigger of the table's looks, nor do its foreign keys."""
        name = sql.Identifier("mes", table)
        self.admin.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER ALL").format(name))
        yield
        self.admin.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER ALL").format(name))

    async def finds(self, table: str, tamper: str, restore: str, *values: Any) -> str:
        with self.unseen(table):
            self.admin.execute(tamper.encode(), values)
        code, found = await self.verify()
        with self.unseen(table):
            self.admin.execute(restore.encode(), values)
        assert code == 1, found
        return found

    def one(self, query: str) -> Any:
        row = self.admin.execute(query.encode()).fetchone()
        assert row
        return row[0]


@pytest.fixture
def auditor(
    variables: dict[str, str],
    admin: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Auditor:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KOJO_MES_AUDIT_PASSWORD", servers.PASSWORD)
    return Auditor(admin, capsys)


async def test_what_was_done_to_a_record_past_every_trigger_is_named(
    auditor: Auditor, laboratory: Laboratory, floor: Floor
) -> None:
    await laboratory.variable()
    check = (await laboratory.measure([GOOD, BAD]))[0]["id"]
    hold = (await laboratory.get("/holds")).json()["items"][0]
    await laboratory.post(f"/holds/{hold['id']}/release", {"reason": "not yet"}, version=1)
    await floor.example_day()
    await floor.reclassify("10:40", "11:00", "planned_stop", "maintenance")
    counted = auditor.one("SELECT id FROM mes.production_count ORDER BY from_time LIMIT 1")
    counts = f"/lines/{LINE}/counts/{counted}"
    await floor.done(
        floor.leader, "PUT", counts, {"good": 901, "scrap": 19, "rework": 10, "reason": "miscounted"}, version=1
    )
    # past the service, but not past the triggers: it is in the trail
    auditor.admin.execute("UPDATE mes.equipment SET temperature_limit = 70 WHERE id = 'robot-1'")
    code, said = await auditor.verify()
    assert (code, said.startswith("as the trail has them: ")) == (0, True), said

    edited = "UPDATE mes.{} SET {} WHERE id = %s"
    for table, record, column, now, then in (
        ("quality_check", check, "values", "values = ARRAY[74, 74.01, 73.98]", "values = ARRAY[74, 74.01, 73.99]"),
        ("production_count", counted, "good", "good = good + 9", "good = good - 9"),
        ("hold", hold["id"], "line_id", "line_id = 'line-2'", "line_id = 'line-1'"),
        ("equipment", "press-1", "temperature_limit", "temperature_limit = 500", "temperature_limit = 80"),
        (
            "qualification",
            None,
            "valid_until",
            "valid_until = valid_until + interval '9 d'",
            "valid_until = valid_until - interval '9 d'",
        ),
    ):
        number = record or auditor.one("SELECT id FROM mes.qualification LIMIT 1")
        found = await auditor.finds(table, edited.format(table, now), edited.format(table, then), number)
        assert found.startswith(f"mes.{table}: edited: {table} "), found
        assert f": {column}: not as the trail has it; the last entry about it is " in found
        assert table == "production_count" or number in found, "the record is named"

    person = floor.operator.id
    grant = "INSERT INTO mes.role_grant (id, person_id, role, granted_by) VALUES ('zz', %s, 'quality_manager', 'x')"
    ungrant = "DELETE FROM mes.role_grant WHERE id = 'zz' AND person_id = %s"
    found = await auditor.finds("role_grant", grant, ungrant, person)
    assert found == "mes.role_grant: inserted: role_grant zz: no entry of the trail tells of it"

    with auditor.unseen("role_grant"):
        auditor.admin.execute(grant.encode(), (person,))
    auditor.admin.execute(
        "INSERT INTO mes.archive (kind, month, rows, first_id, last_id, root, manifest)"
        " VALUES ('audit', '2015-01-01', 1, '1', '1', sha256(''), '{}')"
    )
    code, said = await auditor.verify()
    assert (code, "months of the trail were detached, 2015-01 first" in said) == (0, True), said
    with auditor.unseen("role_grant"):
        auditor.admin.execute(ungrant.encode(), (person,))

    with auditor.unseen("quality_check"):
        auditor.admin.execute("DELETE FROM mes.quality_check WHERE id = %s", (check,))
    code, said = await auditor.verify()
    assert code == 1
    assert said.startswith(f"mes.quality_check: removed: quality_check {check}: it is not there; the last entry about")


async def test_what_the_plants_page_changes_is_as_the_trail_has_it(
    auditor: Auditor, variables: dict[str, str], laboratory: Laboratory, plant: Plant
) -> None:
    page = plant.model_dump(mode="json")
    page["lines"][0]["ideal_cycle_time"] = 3.5
    early = {"name": "early", "weekdays": [1, 2, 3, 4, 5, 6, 7], "starts": "06:00", "ends": "14:00"}
    for lines, shifts in ((page["lines"], [early]), (page["lines"][:1], [])):
        changed = Plant.model_validate(page | {"lines": lines, "shifts": shifts})
        migrate(MigrationSettings(**fields(variables)), changed)
        await plan_due(laboratory.app.state.database)
        assert auditor.one("SELECT count(*) FROM mes.shift") > 0
        code, said = await auditor.verify()
        assert code == 0, said
    past = auditor.one("SELECT count(*) FROM mes.audit_event WHERE source = 'database' AND actor_id <> 'postgres'")
    assert past == 0, "nothing of it went past the service"
    found = await auditor.finds(
        "line",
        "UPDATE mes.line SET retired_at = NULL WHERE id = %s",
        "UPDATE mes.line SET retired_at = now() WHERE id = %s",
        "line-2",
    )
    assert found.startswith("mes.line: edited: line line-2: retired_at: not as the trail has it")


@pytest.mark.parametrize(
    "arguments", [[], ["manifest.json"], ["--key", "seal.pub"], ["--records", "--key", "seal.pub"]]
)
def test_it_says_what_it_needs(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", *arguments]) == 2
    assert "give files with --key, or --records, or both" in capsys.readouterr().err


def test_no_database_is_no_proof(
    auditor: Auditor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KOJO_MES_DATABASE_HOSTS", "127.0.0.1:1")
    monkeypatch.setenv("KOJO_MES_DATABASE_DEADLINE", "0.3")
    assert main(["audit", "verify", "--records"]) == 1
    assert "kojo-mes audit verify: " in capsys.readouterr().err
