"""Seven years: what is held isn't detached or dropped by anybody; an archived month comes back row by row."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import psycopg
import pytest
import servers
from authority import seal_key
from conftest import environment, fields
from psycopg import errors
from test_audit_seals import by_recursion
from trail import forget, unguarded

from kojo_mes.audit import merkle
from kojo_mes.cli import main
from kojo_mes.kit.settings import MigrationSettings
from kojo_mes.lines.plant import Plant
from kojo_mes.migrate import migrate

MONTH = "2019-01"
EVENTS, READINGS = 40, 25


@pytest.fixture
def month(
    variables: dict[str, str], admin: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Path:
    """A month of long ago, as if the plant had run then; settings of the command; keys."""
    (tmp_path / "archives").mkdir()
    more = {"SEAL_KEY_FILE": str(seal_key(tmp_path)), "ARCHIVE_DIRECTORY": str(tmp_path / "archives")}
    for name, value in (variables | {f"KOJO_MES_{name}": value for name, value in more.items()}).items():
        monkeypatch.setenv(name, value)
    forget(admin)
    for parent, name in (("audit_event", "audit_event_2019_01"), ("reading", "reading_2019_01")):
        bounds = "FOR VALUES FROM ('2019-01-01') TO ('2019-02-01')"
        admin.execute(f"CREATE TABLE mes.{name} PARTITION OF mes.{parent} {bounds}".encode())
        admin.execute(f"ALTER TABLE mes.{name} OWNER TO kojo_owner".encode())
    admin.execute(
        "INSERT INTO mes.audit_event (at, source, actor_kind, actor_id, actor_name, actor_roles, action, record_type,"
        " record_id, record_version, old, new, reason)"
        " SELECT '2019-01-05'::timestamptz + n * interval '1 h', 'service', 'person', 'p-1', '工場 花子',"
        " '{operator,auditor}', 'lots:change', 'lot', 'L-' || n, n, NULL,"
        """ jsonb_build_object('mass', 0.1 * n, 'large', 9007199254740993, 'text', 'タブ\t"'), 'なぜ\n'"""
        " FROM generate_series(1, %s) AS n",
        (EVENTS,),
    )
    admin.execute(
        "INSERT INTO mes.reading (sensor_id, time, value, quality, received_at, sender_id, batch_id)"
        " SELECT (SELECT min(id) FROM mes.sensor), '2019-01-05'::timestamptz + n * interval '1 s', n / 3.0::float8,"
        " 'good', '2019-01-06', 1, n / 10 FROM generate_series(1, %s) AS n",
        (READINGS,),
    )
    admin.execute("SELECT mes.hold_months()")
    return tmp_path


def command(*arguments: object) -> int:
    return main(["archive", *map(str, arguments)])


def key(month: Path) -> tuple[str, str]:
    return "--key", str(month / "seal.pub")


@pytest.mark.parametrize("kind", ["audit", "readings"])
def test_a_month_is_archived_verified_restored_and_only_then_let_go(
    month: Path, admin: psycopg.Connection, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    folder, partition = month / kind, {"audit": "audit_event_2019_01", "readings": "reading_2019_01"}[kind]
    assert command("make", kind, MONTH, folder) == 0, capsys.readouterr().err
    body = json.loads((folder / "manifest.json").read_bytes())["body"]
    lines = gzip.decompress((folder / "rows.jsonl.gz").read_bytes()).splitlines()
    assert body["rows"] == len(lines) == {"audit": EVENTS, "readings": READINGS}[kind]
    assert body["root"] == by_recursion([merkle.leaf(line) for line in lines]).hex()
    assert (body["first_id"], body["last_id"]) == {
        "audit": ("1", str(EVENTS)),
        "readings": ("1/2019-01-05T00:00:01.000000Z", f"1/2019-01-05T00:00:{READINGS}.000000Z"),
    }[kind]
    assert command("verify", folder, *key(month)) == 0

    assert command("detach", kind, MONTH) == 1
    assert "no archive of it was restored and checked" in capsys.readouterr().err
    before = admin.execute(f"TABLE mes.{partition} ORDER BY 1, 2".encode()).fetchall()
    assert command("restore", folder, *key(month), "--table", "restored_month") == 0, capsys.readouterr().err
    after = admin.execute(b"TABLE mes.restored_month ORDER BY 1, 2").fetchall()
    if kind == "audit":  # a number that JSON can't hold comes back as the text that was sealed
        assert {row[13].pop("large") for row in before} == {9007199254740993}
        assert {row[13].pop("large") for row in after} == {"9007199254740993"}
    assert before == after

    assert command("detach", kind, MONTH) == 0, capsys.readouterr().err
    assert f"detached: mes.{partition}" in capsys.readouterr().out
    admin.execute(f"DROP TABLE mes.{partition}".encode())


@pytest.mark.parametrize("kind", ["audit", "readings"])
def test_an_archive_from_before_a_migration_added_a_column_is_still_restored(
    month: Path, admin: psycopg.Connection, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert command("make", kind, MONTH, month / kind) == 0, capsys.readouterr().err
    parent = {"audit": "audit_event", "readings": "reading"}[kind]
    admin.execute(f"ALTER TABLE mes.{parent} ADD added_later integer".encode())
    assert command("restore", month / kind, *key(month)) == 0, capsys.readouterr().err


@pytest.mark.parametrize("user", ["kojo_owner", "postgres"])
@pytest.mark.parametrize("partition", ["audit_event_2019_01", "reading_2019_01"])
def test_a_held_month_is_detached_and_dropped_by_nobody(
    month: Path, postgres: servers.Postgres, database: str, admin: psycopg.Connection, user: str, partition: str
) -> None:
    parent = partition.removesuffix("_2019_01")
    admin.execute("CREATE EVENT TRIGGER kojo_retention ON sql_drop EXECUTE FUNCTION mes.refuse_drop()")
    statements = (
        f"ALTER TABLE mes.{parent} DETACH PARTITION mes.{partition}",
        f"DROP TABLE mes.{partition}",
        f"DROP TABLE mes.{partition} CASCADE",
        f"TRUNCATE mes.{partition}",
        "DELETE FROM mes.audit_hold",
        "UPDATE mes.readings_hold SET until = now()",
        "TRUNCATE mes.audit_hold",
    )
    with postgres.connect(database, user) as connection:
        for statement in statements:
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(statement.encode())
            assert isinstance(
                caught.value,
                errors.ForeignKeyViolation
                | errors.InsufficientPrivilege
                | errors.DependentObjectsStillExist
                | errors.FeatureNotSupported,
            ), statement
    assert admin.execute(f"TABLE mes.{partition}".encode()).fetchall(), "its rows are there"


def test_before_its_date_not_even_a_checked_month_goes(
    month: Path, admin: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    unguarded(admin)
    admin.execute("UPDATE mes.readings_hold SET until = current_date + 30 WHERE month = '2019-01-01'")
    admin.execute("ALTER TABLE mes.readings_hold ENABLE ALWAYS TRIGGER held")
    assert command("make", "readings", MONTH, month / "archive") == 0
    assert command("restore", month / "archive", *key(month)) == 0
    assert command("detach", "readings", MONTH) == 1
    assert "is held until" in capsys.readouterr().err


def test_a_hold_is_seven_years_from_the_months_end(month: Path, admin: psycopg.Connection) -> None:
    holds = admin.execute(
        "SELECT month::text, until::text FROM mes.audit_hold WHERE month = '2019-01-01'"
        " UNION SELECT month::text, until::text FROM mes.readings_hold"
    ).fetchall()
    assert holds == [("2019-01-01", "2026-02-01")]
    unguarded(admin)
    with pytest.raises(errors.CheckViolation):
        admin.execute("UPDATE mes.retention_class SET years = 6")


def test_an_altered_archive_is_found_and_not_restored(month: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = month / "archive"
    assert command("make", "audit", MONTH, folder) == 0
    path = folder / "rows.jsonl.gz"
    data = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(data.replace(b"p-1", b"p-2", 1)))
    for arguments in (("verify", folder), ("restore", folder)):
        assert command(*arguments, *key(month)) == 1
        assert "edited" in capsys.readouterr().err
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["body"]["rows"] = 1
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert command("verify", folder, *key(month)) == 1
    assert "bad signature" in capsys.readouterr().err


def test_a_month_that_may_still_take_rows_is_not_archived(month: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("make", "audit", "2099-01", month / "archive") == 1
    assert "may still take rows" in capsys.readouterr().err


def test_what_refuses_to_drop_held_months_lets_the_owner_keep_house(
    month: Path, postgres: servers.Postgres, database: str, admin: psycopg.Connection, plant: Plant
) -> None:
    """As role record_guard makes it: months are made ahead, and one that may go is detached and dropped."""
    admin.execute("CREATE EVENT TRIGGER kojo_retention ON sql_drop EXECUTE FUNCTION mes.refuse_drop()")
    admin.execute("ALTER EVENT TRIGGER kojo_retention ENABLE ALWAYS")
    with postgres.connect(database, "kojo_owner") as owner:
        for table in ("audit_event", "reading"):
            owner.execute(
                f"CREATE TABLE mes.{table}_2098_01 PARTITION OF mes.{table}"
                " FOR VALUES FROM ('2098-01-01') TO ('2098-02-01')".encode()
            )
            owner.execute(f"ALTER TABLE mes.{table} DETACH PARTITION mes.{table}_2098_01".encode())
            owner.execute(f"DROP TABLE mes.{table}_2098_01".encode())
        owner.execute("CREATE TEMPORARY TABLE scratch ()")
        owner.execute("DROP TABLE scratch")
    migrate(MigrationSettings(**fields(environment(postgres, database))), plant)
    for kind, partition in (("audit", "audit_event_2019_01"), ("readings", "reading_2019_01")):
        assert command("make", kind, MONTH, month / kind) == 0
        assert command("restore", month / kind, *key(month)) == 0
        assert command("detach", kind, MONTH) == 0
        with postgres.connect(database, "kojo_owner") as owner:
            owner.execute(f"DROP TABLE mes.{partition}".encode())
