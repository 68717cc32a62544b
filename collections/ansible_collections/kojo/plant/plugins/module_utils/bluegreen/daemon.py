# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""The agent as a process: it answers, looks at the other edges once a second, and keeps HAProxy to what was decided."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .agent import Agent
from .decision import Decision, Unsound
from .edge import MAP_FILE, Edge, Fenced
from .haproxy_runtime import Runtime, RuntimeFault, unix_socket
from .history import History
from .hold import Hold
from .lock import Lock
from .wire import PORT, Certificates, Peer, Told, Unreachable, serve

LOOK = 1.0
PEER_SECONDS = 2.0
RUNTIME_SECONDS = 5.0


class Misconfigured(Exception):
    """The file of settings can't be read, and why."""


@dataclass(frozen=True)
class Settings:
    """What /etc/kojo-bluegreen.json says. PEERS: name and address of the other edges. METRICS: a textfile.
    BEHIND: a file that is there while this edge does not serve by the newest decision that it knows of."""

    name: str
    address: str
    peers: dict[str, str]
    port: int = PORT
    map_file: str = MAP_FILE
    runtime_socket: str = "/run/haproxy/admin.sock"
    socket: str = "/run/kojo-bluegreen/agent.sock"
    state: str = "/var/lib/kojo-bluegreen"
    metrics: str = ""
    behind: str = ""
    ca: str = "/etc/kojo/pki/ca.crt"
    certificate: str = "/etc/kojo/pki/host.crt"
    key: str = "/etc/kojo/pki/host.key"

    @classmethod
    def read(cls, path: Path) -> Settings:
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, TypeError, ValueError) as error:
            raise Misconfigured(f"{path}: {error}") from error

    @property
    def certificates(self) -> Certificates:
        return Certificates(Path(self.ca), Path(self.certificate), Path(self.key))


async def run(settings: Settings) -> None:
    """Until SIGTERM. SIGHUP says that the host's certificate was renewed."""
    edge = Edge(Runtime(unix_socket(settings.runtime_socket, RUNTIME_SECONDS)), Path(settings.map_file))
    state = Path(settings.state)
    history, hold = History(state / "decisions.jsonl"), Hold(state / "held.json")
    agent = Agent(settings.name, edge, Lock(state / "lock.json"), history, hold)
    end = asyncio.Event()
    tls = settings.certificates.server()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, settings.certificates.load, tls)
    Path(settings.socket).unlink(missing_ok=True)
    here = await asyncio.start_unix_server(serve(agent.answer), settings.socket)
    Path(settings.socket).chmod(0o600)
    beyond = await asyncio.start_server(
        serve(agent.answer, settings.peers),
        settings.address,
        settings.port,
        ssl=tls,
        ssl_handshake_timeout=PEER_SECONDS,
    )
    watching = asyncio.create_task(_watch(settings, agent))
    async with here, beyond:
        await end.wait()
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


async def _watch(settings: Settings, agent: Agent) -> None:
    peers = [Peer(name, address, settings.port) for name, address in settings.peers.items()]
    while True:
        behind = True
        try:
            await look(settings, agent, peers)
            behind = False
        except (Unsound, RuntimeFault, Fenced, OSError) as error:
            print(f"kojo-bluegreen: {error}", file=sys.stderr, flush=True)
        if settings.behind:
            mark(Path(settings.behind), behind)
        await asyncio.sleep(LOOK)


async def look(settings: Settings, agent: Agent, peers: list[Peer]) -> None:
    """Have HAProxy serve by what is written, take a newer decision over from a peer, tell Prometheus. What it raises
    means that this edge is behind."""
    if await agent.heal():
        print("kojo-bluegreen: HAProxy served by another decision than the recorded one; mended", flush=True)
    for peer in peers:
        try:
            state = await peer.ask(settings.certificates.client(), PEER_SECONDS, {"do": "state"})
            theirs = Decision(**state["recorded"])
        except (Told, Unreachable, Unsound, KeyError, TypeError):
            continue
        if await agent.adopt(theirs, peer.name):
            print(f"kojo-bluegreen: took generation {theirs.generation} over from {peer.name}", flush=True)
    if settings.metrics:
        write_metrics(Path(settings.metrics), await agent.answer({"do": "state"}))


def mark(path: Path, there: bool) -> None:
    if there:
        path.touch()
    else:
        path.unlink(missing_ok=True)


def write_metrics(path: Path, state: Mapping[str, Any]) -> None:
    """A textfile for node_exporter. The digest is told as its first 52 bits: what a sample holds exactly."""
    decision = Decision(**(state.get("serving") or state["recorded"]))
    lines = [
        "# HELP kojo_bluegreen_generation The number of the decision that HAProxy serves by.",
        "# TYPE kojo_bluegreen_generation gauge",
        f"kojo_bluegreen_generation {decision.generation}",
        "# HELP kojo_bluegreen_digest The first 52 bits of the decision's SHA-256.",
        "# TYPE kojo_bluegreen_digest gauge",
        f"kojo_bluegreen_digest {int(decision.digest[:13], 16)}",
        "# HELP kojo_bluegreen_active Whether the colour is the active one.",
        "# TYPE kojo_bluegreen_active gauge",
        f'kojo_bluegreen_active{{colour="{decision.active}"}} 1',
        f'kojo_bluegreen_active{{colour="{decision.idle}"}} 0',
        "# HELP kojo_bluegreen_canary_ratio The share of the sources that the other colour gets.",
        "# TYPE kojo_bluegreen_canary_ratio gauge",
        f"kojo_bluegreen_canary_ratio {decision.canary / 100}",
        "# HELP kojo_bluegreen_held Whether a watch found the decision bad and could not go back from it.",
        "# TYPE kojo_bluegreen_held gauge",
        f"kojo_bluegreen_held {int(state['held'] is not None)}",
    ]
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    draft.replace(path)
