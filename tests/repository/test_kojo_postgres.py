"""kojo-postgres, with a real PostgreSQL: a primary that was stopped at once is no standby until it was put right."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pytest

from tests.wait import eventually

TEMPLATE = Path(__file__).resolve().parents[2] / "roles/postgresql/templates/postgres.j2"
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
USER = "postgres" if os.geteuid() == 0 else None
SETTINGS = ["-c", "listen_addresses=", "-c", "unix_socket_directories={}", "-c", "wal_log_hints=on", "-c", "fsync=off"]


@dataclass(frozen=True)
class Server:
    """A folder of data, what it was started with, and who starts it."""

    folder: Path
    program: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def tool(self, name: str, *words: str | Path) -> str:
        return subprocess.run(
            [str(PROGRAMS / name), *map(str, words)], user=USER, cwd="/", check=True, capture_output=True, text=True
        ).stdout

    def psql(self, statement: str) -> str:
        return self.tool("psql", "-h", self.folder, "-U", "postgres", "-XAtc", statement).strip()

    def start(self, *words: str) -> subprocess.Popen[str]:
        settings = [word.format(self.folder) for word in SETTINGS]
        return subprocess.Popen(
            [self.program, "-D", self.data, *settings, *words], user=USER, cwd="/", stderr=subprocess.PIPE, text=True
        )

    def answers(self) -> bool:
        ready = [str(PROGRAMS / "pg_isready"), "-q", "-h", str(self.folder)]
        return subprocess.run(ready, user=USER, cwd="/", check=False).returncode == 0

    def stop(self, server: subprocess.Popen[str], how: str) -> None:
        self.tool("pg_ctl", "-D", self.data, "-m", how, "-w", "stop")
        server.communicate()

    def refusal(self) -> str:
        """Return what a start says that ends by itself."""
        server = self.start()
        try:
            _, said = server.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.stop(server, "immediate")
            raise
        assert server.returncode == 1, said
        return said


@pytest.fixture
def primary() -> Iterator[Server]:
    """Make a database, with what the role would put in place to start it."""
    with tempfile.TemporaryDirectory(prefix="kojo-postgres-") as name:
        folder = Path(name)
        version = PROGRAMS.parent.name
        words = jinja2.Template(TEMPLATE.read_text()).render(ansible_managed="-", postgresql_version=version)
        program = folder / "kojo-postgres"
        program.write_text(words)
        program.chmod(0o755)
        if USER:
            shutil.chown(folder, USER)
        server = Server(folder, program)
        server.tool("initdb", "-D", server.data, "-U", "postgres", "-A", "trust", "--no-sync")
        yield server


def run_and_stop(server: Server, how: str) -> None:
    running = server.start()
    eventually(server.answers, bool, 20)
    server.psql("CREATE TABLE IF NOT EXISTS written (at timestamptz)")
    server.stop(running, how)


def starts(server: Server) -> None:
    running = server.start()
    try:
        eventually(server.answers, bool, 20)
    finally:
        server.stop(running, "immediate")


def test_a_primary_that_was_stopped_at_once_is_refused_as_a_standby_until_it_recovered(primary: Server) -> None:
    run_and_stop(primary, "immediate")
    (primary.data / "standby.signal").touch()
    before = primary.tool("pg_controldata", primary.data)
    said = primary.refusal()
    assert str(primary.data) in said
    assert "pg_rewind" in said
    assert primary.tool("pg_controldata", primary.data) == before, "it was touched"
    # Patroni asks for settings in between, to archive what the primary had not yet
    asked = [str(primary.program), "-D", str(primary.data), "-C", "port"]
    assert subprocess.run(asked, user=USER, cwd="/", check=True, capture_output=True, text=True).stdout == "5432\n"

    # as Patroni recovers it
    (primary.data / "standby.signal").unlink()
    subprocess.run(
        [primary.program, "--single", "-D", primary.data, "postgres"], user=USER, cwd="/", check=True, input=b""
    )
    (primary.data / "standby.signal").touch()
    starts(primary)


def test_a_primary_and_a_standby_start_again_however_they_were_stopped(primary: Server) -> None:
    for how in ("immediate", "fast"):
        run_and_stop(primary, how)
        starts(primary)
    run_and_stop(primary, "fast")
    (primary.data / "standby.signal").touch()
    for _ in range(2):
        starts(primary)


def test_a_copy_of_a_running_primary_starts_as_a_standby(primary: Server) -> None:
    running = primary.start()
    eventually(primary.answers, bool, 20)
    copy = Server(primary.folder / "copy", primary.program)
    try:
        primary.tool("pg_basebackup", "-h", primary.folder, "-U", "postgres", "-D", copy.data, "-R", "-c", "fast")
        assert "in production" in primary.tool("pg_controldata", copy.data)
        starts(copy)
    finally:
        primary.stop(running, "immediate")


def test_it_tells_its_version_as_postgres_does(primary: Server) -> None:
    told = [
        subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
        for program in (primary.program, PROGRAMS / "postgres")
    ]
    assert told[0] == told[1]
