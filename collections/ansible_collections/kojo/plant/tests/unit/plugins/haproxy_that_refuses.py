"""A socket before an HAProxy's own: it passes on what it is asked, and answers some commands with texts of its own."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.haproxy_runtime import unix_socket
from ansible_collections.kojo.plant.tests.unit.plugins.bluegreen_edges import TestEdge


class Refusing(socketserver.ThreadingUnixStreamServer):
    """REPLIES: what a command begins with, to what is answered instead; none at first. ASKED: all commands."""

    daemon_threads = True

    def __init__(self, path: Path, behind: Path) -> None:
        super().__init__(str(path), _Handler)
        self.ask = unix_socket(str(behind), 5)
        self.replies: dict[str, str] = {}
        self.asked: list[str] = []

    def answer(self, command: str) -> str:
        self.asked.append(command)
        for begins, reply in self.replies.items():
            if command.startswith(begins):
                return f"{reply}\n"
        return self.ask(command)


class _Handler(socketserver.StreamRequestHandler):
    server: Refusing

    def handle(self) -> None:
        command = self.rfile.readline().decode()
        if command.endswith("<<\n"):  # a payload follows, and an empty line ends it
            while (line := self.rfile.readline().decode()) not in ("\n", ""):
                command += line
            command += "\n"
        self.wfile.write(self.server.answer(command.removesuffix("\n")).encode())


@contextlib.contextmanager
def refusing(edge: TestEdge) -> Iterator[Refusing]:
    """The edge's agent speaks to such a socket for as long as the block lasts."""
    path = edge.folder / "refusing.sock"
    settings = json.loads(edge.settings.read_text(encoding="utf-8"))
    with Refusing(path, Path(settings["runtime_socket"])) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        edge.stop("agent")
        edge.settings.write_text(json.dumps(settings | {"runtime_socket": str(path)}), encoding="utf-8")
        edge.start_agent()
        try:
            yield server
        finally:
            server.shutdown()
