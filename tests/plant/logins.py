"""Logins at the plant's database from where the service's come: PostgreSQL lets them in from no database host."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from testinfra.host import Host

from tests.plant.inventory import Plant

PROBE = """
import sys, psycopg
hosts, user, password, mode, statement = sys.argv[1:]
with psycopg.connect(host=hosts, user=user, password=password, dbname="kojo", sslmode=mode, connect_timeout=5,
                     sslrootcert="/etc/kojo/pki/ca.crt", target_session_attrs="read-write") as connection:
    print(connection.execute(statement).fetchone())
"""


def login(
    plant: Plant,
    host: Callable[[str], Host],
    user: str,
    statement: str,
    password: str | None = None,
    mode: str = "verify-full",
) -> str:
    """What a login from an app host leads to: a row, or an error. The password is the role's own unless given."""
    hosts = ",".join(plant.address(name) for name in plant.groups["database"])
    password = password or plant.secrets[f"postgresql_{user.removeprefix('kojo_')}_password"]
    command = ["/opt/kojo-mes/current/bin/python", "-c", PROBE, hosts, user, password, mode, statement]
    done = host(plant.groups["app"][0]).run(shlex.join(command))
    return str(done.stdout + done.stderr)
