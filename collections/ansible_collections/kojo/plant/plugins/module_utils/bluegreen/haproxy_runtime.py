# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""HAProxy's runtime API (management guide, section 9.3): maps in versions, sessions. No reply is taken for granted."""

from __future__ import annotations

import csv
import io
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass

from .traffic import Traffic

ANSWERS = ("hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other")
MOST_BYTES = 16 * 2**20
VERSION = re.compile(r"New version created: (\d+)")


class RuntimeFault(Exception):
    """HAProxy can't be reached, or its reply isn't the one that the command has."""


Ask = Callable[[str], str]


def unix_socket(path: str, timeout: float) -> Ask:
    """One connection a command, as HAProxy wants it without `prompt`."""

    def ask(command: str) -> str:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(timeout)
                connection.connect(path)
                connection.sendall(command.encode() + b"\n")
                reply = b""
                while part := connection.recv(65536):
                    reply += part
                    if len(reply) > MOST_BYTES:
                        raise RuntimeFault(f"{path}: the reply to {command.split(chr(10))[0]!r} has no end")
        except OSError as error:
            raise RuntimeFault(f"{path}: {error}") from error
        return reply.decode(errors="replace")

    return ask


@dataclass(frozen=True)
class Server:
    """A server of a backend. SESSIONS: those open now; REQUESTS, FAULTS, CONNECTION_FAULTS: since HAProxy began."""

    name: str
    up: bool
    sessions: int
    requests: int
    faults: int
    connection_faults: int


class Runtime:
    """HAProxy behind one socket."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def prepare(self, path: str, entries: str) -> int:
        """Put ENTRIES (a key and its value a line) beside what the map at PATH holds, unseen. Returns their version."""
        reply = self._ask(f"prepare map {path}").strip()
        found = VERSION.fullmatch(reply)
        if not found:
            raise RuntimeFault(f"prepare map {path}: {reply}")
        version = int(found[1])
        self._silent(f"add map @{version} {path} <<\n{entries}")
        return version

    def commit(self, path: str, version: int) -> None:
        """What was prepared is the map from the next request on."""
        self._silent(f"commit map @{version} {path}")

    def discard(self, path: str, version: int) -> None:
        self._silent(f"clear map @{version} {path}")

    def entries(self, path: str, version: int | None = None) -> str:
        """What the map holds, in this version or the one that serves."""
        command = f"show map {path}" if version is None else f"show map @{version} {path}"
        lines = self._ask(command).strip().splitlines()
        if any(not line.startswith("0x") for line in lines):
            raise RuntimeFault(f"{command}: {' '.join(lines)}")
        return "".join(line.partition(" ")[2] + "\n" for line in lines)

    def servers(self, backend: str) -> list[Server]:
        return [
            Server(
                name=row["svname"],
                up=row["status"] in ("UP", "no check"),  # `UP 1/2` is on its way down
                sessions=int(row["scur"] or 0),
                requests=int(row["req_tot"] or row["stot"] or 0),
                faults=int(row["hrsp_5xx"] or 0),
                connection_faults=int(row["econ"] or 0) + int(row["eresp"] or 0),
            )
            for row in self._statistics(f"show stat {backend} 4 -1")
        ]

    def traffic(self, backend: str) -> Traffic:
        """Since HAProxy began, by the backend's own row: what clients got, which is an error of HAProxy's where no
        server answered, and nothing of an attempt that went well when it was tried again."""
        command = f"show stat {backend} 2 -1"
        rows = self._statistics(command)
        if len(rows) != 1:
            raise RuntimeFault(f"{command}: {len(rows)} rows instead of one")
        count = {name: int(value) for name, value in rows[0].items() if value and value.isdecimal()}
        requests = sum(count.get(name, 0) for name in ANSWERS)
        # by the server, which counts as both; a drain's end is only an abort, an answer that never began only an error
        cut_off = min(count.get("eresp", 0), count.get("srv_abrt", 0))
        return Traffic(
            requests=requests,
            failures=min(requests, count.get("hrsp_5xx", 0) + cut_off),
            connection_errors=count.get("econ", 0) + count.get("eresp", 0) + count.get("wretr", 0),
            response_ms=float(count.get("rtime", 0)),
        )

    def _statistics(self, command: str) -> list[dict[str, str]]:
        reply = self._ask(command)
        if not reply.startswith("# pxname,"):
            raise RuntimeFault(f"{command}: {reply.strip()}")
        return list(csv.DictReader(io.StringIO(reply.removeprefix("# ").strip())))

    def end_sessions(self, backend: str, server: str) -> None:
        self._silent(f"shutdown sessions server {backend}/{server}")

    def _silent(self, command: str) -> None:
        """For a command that says nothing when it was carried out."""
        if reply := self._ask(command).strip():
            raise RuntimeFault(f"{command.splitlines()[0]}: {reply}")
