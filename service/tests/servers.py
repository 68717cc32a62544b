"""PostgreSQL, Redis and Sentinel of the tests' own, on loopback and for as long as the tests run."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis
from psycopg import sql

PASSWORD = "correct-horse-battery-staple"  # noqa: S105
START_SECONDS = 60
PORTS = range(20_000, 30_000)
FOLDER = "kojo-mes-postgres-"
MEMORY, ROOM = Path("/dev/shm"), 2**30  # noqa: S108  # bytes that there are to be for a server


def free_port() -> int:
    """This process's until it ends. The port is below those that the kernel gives to connections, and other test runs
    see a name in the abstract namespace of Unix sockets, which goes with its holder."""
    for port in PORTS:
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0kojo-mes-test-port-{port}")
            with socket.create_server(("127.0.0.1", port)):
                atexit.register(claim.close)
                return port
        except OSError:  # another's
            claim.close()
    raise OSError("no port is free")


def wait_until(ready: Callable[[], object], what: str, seconds: float = START_SECONDS) -> None:
    """Until it returns something true; an error is a not yet."""
    end = time.monotonic() + seconds
    reason: object = "false"
    while time.monotonic() < end:
        try:
            if ready():
                return
        except (OSError, psycopg.Error, redis.RedisError) as error:
            reason = error
        time.sleep(0.05)
    raise TimeoutError(f"{what}: {reason}")


def mortal(command: list[str], end: signal.Signals) -> list[str]:
    """The command as one that gets the signal when this process is gone, however that ends."""
    return ["setpriv", "--pdeathsig", end.name.removeprefix("SIG"), *command]


@contextlib.contextmanager
def running(
    command: list[str], user: str | None = None, stop: signal.Signals = signal.SIGTERM
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that doesn't outlive this process."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(mortal(command, stop), user=user, stdout=log, stderr=subprocess.STDOUT, cwd="/")
        try:
            yield process
        finally:
            process.send_signal(stop)
            process.wait(START_SECONDS)


@dataclass(frozen=True)
class Postgres:
    port: int

    def conninfo(self, database: str, user: str = "postgres") -> str:
        return f"host=127.0.0.1 port={self.port} dbname={database} user={user} password={PASSWORD}"

    def connect(self, database: str = "postgres", user: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(self.conninfo(database, user), autocommit=True)

    def schema(self, database: str, *without: str) -> list[str]:
        """What it is made of, as pg_dump writes it, in lines of no order; without these tables."""
        command = [
            str(_programs() / "pg_dump"),
            "--schema-only",
            "--no-comments",
            f"--dbname={self.conninfo(database)}",
        ]
        excluded = [f"--exclude-table={table}" for table in without]
        done = subprocess.run([*command, *excluded], check=True, capture_output=True, text=True)
        # what stands last has no comma; newer ones begin and end with a key that is another each time
        lines = (line.rstrip(",") for line in done.stdout.splitlines())
        return sorted(line for line in lines if line and not line.startswith(("--", "\\")))

    @contextlib.contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """Of a name of its own, and gone afterwards."""
        name = f"test_{uuid.uuid4().hex}"
        self.create(name, template)
        yield name
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def create(self, name: str, template: str = "template1") -> None:
        with self.connect() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy OWNER kojo_owner").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
            if template != "template1":  # a copy doesn't take the rights on the database along
                connection.execute(
                    "UPDATE pg_database SET datacl = (SELECT datacl FROM pg_database WHERE datname = %s)"
                    " WHERE datname = %s",
                    (template, name),
                )
                return
            # as in the plant: nobody may do anything that wasn't granted
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL("GRANT CONNECT ON DATABASE {} TO kojo_app, kojo_read, kojo_audit").format(sql.Identifier(name))
            )


def _programs() -> Path:
    """Debian keeps PostgreSQL's programs off the PATH, a folder a version."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))


def _memory() -> Path | None:
    """A database is a thousand small files: where there is room they are made in memory, tens of times faster."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM else None


def _forget_the_dead(memory: Path) -> None:
    """Folders of test runs that were killed."""
    for folder in memory.glob(f"{FOLDER}*-*"):
        if not Path("/proc", folder.name.removeprefix(FOLDER).partition("-")[0]).exists():
            shutil.rmtree(folder, ignore_errors=True)  # another run may be at it too


@contextlib.contextmanager
def postgres(shared_buffers: str = "32MB", *, in_memory: bool = False) -> Iterator[Postgres]:
    """As user postgres when the tests are root's: PostgreSQL refuses to run as root."""
    user = "postgres" if os.geteuid() == 0 else None
    programs = _programs()
    memory = _memory() if in_memory else None
    if memory:
        _forget_the_dead(memory)
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-", dir=memory))
    try:
        password = folder / "password"
        password.write_text(PASSWORD)
        if user:
            shutil.chown(folder, user)
            shutil.chown(password, user)
        data = folder / "data"
        options = f"-D {data} -U postgres -A scram-sha-256 --pwfile={password} -E UTF8 --locale=C.UTF-8 --no-sync"
        subprocess.run(
            [str(programs / "initdb"), *options.split()],
            user=user,
            cwd="/",
            check=True,
            stdout=subprocess.DEVNULL,
        )
        server = Postgres(free_port())
        parameters = {
            "listen_addresses": "127.0.0.1",
            "port": str(server.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "autovacuum": "off",  # would go round all the tests' databases
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "max_wal_size": "128MB",
            "shared_buffers": shared_buffers,
        }
        command = [str(programs / "postgres"), "-D", str(data)]
        command += [part for name, value in parameters.items() for part in ("-c", f"{name}={value}")]
        with running(command, user, signal.SIGQUIT):  # at once: nothing of it is kept
            wait_until(lambda: _connects(server), "PostgreSQL")
            with server.connect() as connection:
                for role in ("kojo_owner", "kojo_app", "kojo_read", "kojo_audit"):
                    connection.execute(
                        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), PASSWORD)
                    )
            yield server
    finally:
        shutil.rmtree(folder)


def _connects(server: Postgres) -> bool:
    with server.connect() as connection:
        return not connection.closed


@dataclass(frozen=True)
class Redis:
    port: int
    sentinel_port: int

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, password=PASSWORD)


@contextlib.contextmanager
def redis_with_sentinel() -> Iterator[Redis]:
    server = Redis(free_port(), free_port())
    with tempfile.TemporaryDirectory(prefix="kojo-mes-redis-") as name:
        folder = Path(name)
        common = f"bind 127.0.0.1\ndir {folder}\n"
        (folder / "redis.conf").write_text(f'{common}port {server.port}\nrequirepass {PASSWORD}\nsave ""\n')
        (folder / "sentinel.conf").write_text(
            f"{common}port {server.sentinel_port}\nrequirepass {PASSWORD}\n"
            f"sentinel monitor kojo 127.0.0.1 {server.port} 1\nsentinel auth-pass kojo {PASSWORD}\n"
        )
        with (
            running(["redis-server", str(folder / "redis.conf")]),
            running(["redis-server", str(folder / "sentinel.conf"), "--sentinel"]),
        ):
            wait_until(lambda: _answers(server.client()), "Redis")
            wait_until(lambda: _answers(redis.Redis(port=server.sentinel_port, password=PASSWORD)), "Sentinel")
            yield server


def _answers(client: redis.Redis) -> bool:
    with client:
        return bool(client.ping())
