# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Statements as the server's own user, on the server's socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# the options that `psql` needs, as the documentation fragment of this name has them
SERVER = {
    "server_user": {"type": "str", "default": "postgres"},
    "socket_directory": {"type": "path", "default": "/run/postgresql"},
}
# runs SQL in a database and returns what it printed
Run = Callable[[str, str], str]


class Refused(Exception):
    """The server refused, or isn't one that can be changed."""


class NotRunning(Refused):
    """No server answers on the socket, or it has no such database."""


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def psql(module: Any) -> Run:
    """For a module with the options SERVER."""

    def run(database: str, statements: str) -> str:
        command = ["runuser", "-u", module.params["server_user"], "--", "psql", "--no-psqlrc", "--quiet"]
        command += ["--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"]
        command += ["--host", module.params["socket_directory"], database]
        code, out, error = module.run_command(command, data=statements + ";\n", cwd="/")
        if code == 2:
            raise NotRunning(f"no PostgreSQL server answers in {module.params['socket_directory']}: {error.strip()}")
        if code:
            raise Refused(f"psql: {error.strip()}")
        return str(out)

    return run
