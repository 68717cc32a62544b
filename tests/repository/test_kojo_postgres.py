"""kojo-postgres, with a real PostgreSQL: a primary that was stopped at once is no standby until it was put right."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pytest

from tests.wait import eventually

TEMPLATE = Path(__file__).resolve().parents[2] / "roles/postgresql/templates/postgres.j2"
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
USER = "postgres" if os.geteuid() == 0 else None


def run(program: Path, *words: str | Path) -> str:
    """Return what a program prints that ends well."""
    command = [str(program), *map(str, words)]
    return subprocess.run(command, user=USER, cwd="/", check=True, input="", capture_output=True, text=True).stdout


@dataclass(frozen=True)
class Server:
    """A folder of data and a socket, and what it is started with."""

    folder: Path
    program: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def tool(self, name: str, *words: str | Path) -> str:
        return run(PROGRAMS / name, *words)

    def answers(self) -> bool:
        ready = [str(PROGRAMS / "pg_isready"), "-q", "-h", str(self.folder)]
        return subprocess.run(ready, check=False).returncode == 0

    def start(self) -> subprocess.Popen[str]:
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self.folder}", "-c", "fsync=off"]
        command = [str(self.program), "-D", str(self.data), *settings]
        return subprocess.Popen(command, user=USER, cwd="/", stderr=subprocess.PIPE, text=True)

    def stop(self, server: subprocess.Popen[str], how: str) -> None:
        self.tool("pg_ctl", "-D", self.data, "-m", how, "-w", "stop")
        server.communicate()

    @contextmanager
    def running(self, how: str = "immediate") -> Iterator[None]:
        """Start it, wait until it answers, and stop it in the end."""
        server = self.start()
        try:
            eventually(self.answers, bool, 20)
            yield
        finally:
            self.stop(server, how)

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
def folder() -> Iterator[Path]:
    """Give a folder of the user that PostgreSQL runs as, which pytest's own isn't."""
    with tempfile.TemporaryDirectory(prefix="kojo-postgres-") as name:
        if USER:
            shutil.chown(name, USER)
        yield Path(name)


@pytest.fixture
def program(folder: Path) -> Path:
    """Lay down kojo-postgres as the role does."""
    words = jinja2.Template(TEMPLATE.read_text()).render(ansible_managed="-", postgresql_version=PROGRAMS.parent.name)
    program = folder / "kojo-postgres"
    program.write_text(words)
    program.chmod(0o755)
    return program


@pytest.fixture
def primary(folder: Path, program: Path) -> Server:
    """Make a database."""
    server = Server(folder, program)
    server.tool("initdb", "-D", server.data, "-U", "postgres", "-A", "trust", "--no-sync")
    return server


def test_a_primary_that_was_stopped_at_once_is_refused_as_a_standby_until_it_recovered(primary: Server) -> None:
    with primary.running("immediate"):
        pass
    (primary.data / "standby.signal").touch()
    before = primary.tool("pg_controldata", primary.data)
    said = primary.refusal()
    assert str(primary.data) in said
    assert "pg_rewind" in said
    assert primary.tool("pg_controldata", primary.data) == before, "it was touched"
    # Patroni asks for settings in between, to archive what the primary had not yet
    assert run(primary.program, "-D", primary.data, "-C", "port") == "5432\n"

    # as Patroni recovers it
    (primary.data / "standby.signal").unlink()
    run(primary.program, "--single", "-D", primary.data, "postgres")
    (primary.data / "standby.signal").touch()
    with primary.running():
        pass


def test_a_primary_and_a_standby_start_again_however_they_were_stopped(primary: Server) -> None:
    for how in ("immediate", "fast", "fast"):
        with primary.running(how):
            pass
    (primary.data / "standby.signal").touch()
    for _ in range(2):
        with primary.running("immediate"):
            pass


def test_a_copy_of_a_running_primary_starts_as_a_standby(primary: Server) -> None:
    copy = Server(primary.folder / "copy", primary.program)
    with primary.running():
        primary.tool("pg_basebackup", "-h", primary.folder, "-U", "postgres", "-D", copy.data, "-R", "-c", "fast")
        assert "in production" in primary.tool("pg_controldata", copy.data)
        with copy.running():
            pass


def test_it_tells_its_version_as_postgres_does(program: Path) -> None:
    assert run(program, "--version") == run(PROGRAMS / "postgres", "--version")
