"""Two edges on loopback: a real HAProxy and a real agent each."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.decision import Decision
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.haproxy_runtime import RuntimeFault, unix_socket

COLLECTIONS = next(parent for parent in Path(__file__).parents if parent.name == "collections")
COMMAND = "ansible_collections.kojo.plant.plugins.module_utils.bluegreen.command"
MODULES = "ansible_collections.kojo.plant.plugins.modules"
# each worker of pytest-xdist has addresses of its own: a port that was free stays so until it is listened on
NETWORK = 1 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
ADDRESSES = {"edge1": f"127.0.{NETWORK}.2", "edge2": f"127.0.{NETWORK}.3"}

CONFIGURATION = """
global
    stats socket {folder}/admin.sock mode 600 level admin expose-fd listeners
    hard-stop-after 2s
defaults
    mode http
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend service
    bind {address}:{port}
    # as in roles/haproxy, but that each request is a source of its own
    acl blue str(active),map({folder}/colour.map) -m str blue
    http-request set-var(txn.bucket) rand(100)
    acl canary str(canary),map({folder}/colour.map,0),sub(txn.bucket) gt 0
    use_backend green if canary blue
    use_backend blue if canary !blue
    use_backend %[str(active),map({folder}/colour.map)]
backend blue
    server self {folder}/blue.sock
backend green
    server self {folder}/green.sock
frontend colours
    bind {folder}/blue.sock name blue
    bind {folder}/green.sock name green
    timeout tarpit 150ms
    http-request set-var(txn.fails) so_name,map({folder}/fails.map,0)
    http-request return status 500 if {{ rand(100),sub(txn.fails) lt 0 }}
    http-request tarpit deny_status 200 if {{ so_name,map({folder}/slow.map,0) -m int 1 }}
    http-request return status 200 content-type text/plain lf-string %[so_name]
"""


def free_ports() -> tuple[int, dict[str, int]]:
    """The agents' port, free on all edges, and one of each edge's own: all held at once, so that they differ."""
    with contextlib.ExitStack() as held:

        def hold(address: str, port: int = 0) -> int:
            return int(held.enter_context(socket.create_server((address, port))).getsockname()[1])

        first, *others = ADDRESSES.values()
        agents = hold(first)
        for address in others:
            hold(address, agents)
        return agents, {name: hold(address) for name, address in ADDRESSES.items()}


def wait(until: Callable[[], bool], what: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@dataclass
class TestEdge:
    """One edge in FOLDER."""

    name: str
    folder: Path
    port: int
    authority: trustme.CA
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    __test__ = False

    @property
    def address(self) -> str:
        return ADDRESSES[self.name]

    @property
    def map_file(self) -> Path:
        return self.folder / "colour.map"

    @property
    def settings(self) -> Path:
        return self.folder / "settings.json"

    def serves(self) -> str:
        """What a client is answered."""
        with socket.create_connection((self.address, self.port), 5) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n\r\n")
            answer = b""
            while part := connection.recv(4096):
                answer += part
        return answer.decode().rpartition("\n")[2]

    def worker(self) -> str | None:
        """The process that serves, None while one takes over from another."""
        with contextlib.suppress(RuntimeFault):
            for line in unix_socket(f"{self.folder}/admin.sock", 5)("show info").splitlines():
                if line.startswith("Pid: "):
                    return line
        return None

    def recorded(self) -> Decision:
        return Decision.parse(self.map_file.read_text(encoding="utf-8"))

    def history(self) -> list[dict[str, Any]]:
        lines = (self.folder / "decisions.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def certify(self) -> None:
        """Have a new certificate, as of a run that renews it."""
        certificate = self.authority.issue_cert(self.name)
        certificate.cert_chain_pems[0].write_to_path(str(self.folder / "host.crt"))
        certificate.private_key_pem.write_to_path(str(self.folder / "host.key"))

    def fails(self, colour: str, percent: int) -> None:
        """COLOUR answers such a share of its requests with 500 from now on."""
        self._set("fails.map", colour, percent)

    def is_slow(self, colour: str) -> None:
        """COLOUR answers after 150 ms from now on."""
        self._set("slow.map", colour, 1)

    def _set(self, file: str, colour: str, value: int) -> None:
        path = self.folder / file
        assert unix_socket(f"{self.folder}/admin.sock", 5)(f"set map {path} {colour} {value}").strip() == ""
        others = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith(f"{colour} ")]
        path.write_text("\n".join([*others, f"{colour} {value}", ""]), encoding="utf-8")  # for the next HAProxy

    def start_haproxy(self) -> None:
        self._start("haproxy", ["haproxy", "-W", "-f", str(self.folder / "haproxy.cfg")])
        wait(self._answers, f"{self.name}: HAProxy does not answer")

    def start_agent(self) -> None:
        self._start("agent", self.command("agent"))
        wait((self.folder / "agent.sock").exists, f"{self.name}: the agent does not listen")

    def stop(self, what: str, *, kill: bool = False) -> None:
        process = self.processes.pop(what)
        if kill:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.terminate()
        process.wait(20)
        if what == "agent":
            (self.folder / "agent.sock").unlink(missing_ok=True)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", COMMAND, "--settings", str(self.settings), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), cwd=COLLECTIONS, capture_output=True, text=True, check=False)

    def _start(self, what: str, command: list[str]) -> None:
        with (self.folder / f"{what}.log").open("ab") as log:
            dies_with_me = ["setpriv", "--pdeathsig", "TERM", *command]
            self.processes[what] = subprocess.Popen(
                dies_with_me, cwd=COLLECTIONS, stdout=log, stderr=log, start_new_session=True
            )

    def _answers(self) -> bool:
        try:
            return self.serves() in ("blue", "green")
        except OSError:
            return False


def make(root: Path) -> dict[str, TestEdge]:
    """The edges' files, by a CA of their own; nothing runs yet."""
    authority = trustme.CA()
    agents, ports = free_ports()
    edges = {}
    for name, address in ADDRESSES.items():
        folder = root / name
        folder.mkdir()
        edge = edges[name] = TestEdge(name, folder, ports[name], authority)
        edge.map_file.write_text(Decision("blue").encode(), encoding="utf-8")
        configuration = CONFIGURATION.format(folder=folder, address=address, port=edge.port)
        (folder / "haproxy.cfg").write_text(configuration, encoding="utf-8")
        for file in ("fails.map", "slow.map"):
            (folder / file).write_text("blue 0\ngreen 0\n", encoding="utf-8")
        authority.cert_pem.write_to_path(str(folder / "ca.crt"))
        edge.certify()
        settings = {
            "name": name,
            "address": address,
            "peers": {other: at for other, at in ADDRESSES.items() if other != name},
            "port": agents,
            "map_file": str(edge.map_file),
            "runtime_socket": f"{folder}/admin.sock",
            "socket": f"{folder}/agent.sock",
            "state": str(folder),
            "metrics": f"{folder}/bluegreen.prom",
            "ca": f"{folder}/ca.crt",
            "certificate": f"{folder}/host.crt",
            "key": f"{folder}/host.key",
        }
        edge.settings.write_text(json.dumps(settings), encoding="utf-8")
    return edges


@contextlib.contextmanager
def load(edges: dict[str, TestEdge], rate: int = 200, clients: int = 1) -> Iterator[None]:
    """RATE requests a second in all, on kept-alive connections, CLIENTS an edge, for as long as the block lasts."""
    end = threading.Event()

    def client(edge: TestEdge) -> None:
        due = time.monotonic()
        with contextlib.closing(http.client.HTTPConnection(edge.address, edge.port, timeout=5)) as connection:
            while not end.wait(max(0.0, due - time.monotonic())):
                due += len(edges) * clients / rate
                try:
                    connection.request("GET", "/")
                    connection.getresponse().read()
                except (OSError, http.client.HTTPException):  # an HAProxy that begins anew
                    connection.close()

    threads = [threading.Thread(target=client, args=(edge,)) for edge in edges.values() for _ in range(clients)]
    for one in threads:
        one.start()
    try:
        yield
    finally:
        end.set()
        for one in threads:
            one.join()


def run_module(name: str, *, check: bool = False, **given: object) -> dict[str, Any]:
    """What the module kojo.plant.NAME answers, run as Ansible runs it."""
    arguments = {"ANSIBLE_MODULE_ARGS": given | {"_ansible_check_mode": check, "_ansible_diff": True}}
    done = subprocess.run(
        [sys.executable, "-m", f"{MODULES}.{name}"],
        input=json.dumps(arguments),
        cwd=COLLECTIONS,
        capture_output=True,
        text=True,
        check=False,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@contextlib.contextmanager
def running(root: Path) -> Iterator[dict[str, TestEdge]]:
    """Both edges, for as long as the block lasts."""
    edges = make(root)
    try:
        for edge in edges.values():
            edge.start_haproxy()
        for edge in edges.values():
            edge.start_agent()
        yield edges
    finally:
        for edge in edges.values():
            for what in list(edge.processes):
                edge.stop(what, kill=True)  # an HAProxy that is still reloading may miss a SIGTERM
