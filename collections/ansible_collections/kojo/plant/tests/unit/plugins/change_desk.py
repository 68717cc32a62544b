"""A server of TLS on loopback that answers a gate as the service does, and takes alerts as Alertmanager does."""

from __future__ import annotations

import ast
import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme

CHANGE = "0190a6f2-5d1c-7cc1-a7f0-3b1f5a9c2d11"
DIGEST, OTHER_DIGEST = "3b" * 32, "4c" * 32
KEY = "key-of-the-gate-CANARY"
USED_AT = "2026-12-01T13:04:11Z"
PROBLEM = "urn:kojo:problem:"


SERVICE = Path(__file__).parents[7] / "service/src/kojo_mes"


def fields(name: str) -> set[str]:
    """The fields of a schema of the service's change requests."""
    text = (SERVICE / "changes/schemas.py").read_text(encoding="utf-8")
    (found,) = (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == name)
    parts = [part.target for part in found.body if isinstance(part, ast.AnnAssign)]
    return {target.id for target in parts if isinstance(target, ast.Name)}


def problem(status: int, kind: str, title: str, detail: str | None = None) -> tuple[int, dict[str, Any]]:
    return status, {"type": f"{PROBLEM}{kind}", "title": title, "status": status, "detail": detail}


NOBODY = problem(401, "not-authenticated", "Who are you?")
NO_CHANGE = problem(404, "not-found", f"There is no change request {CHANGE}")
NO_ROUTE = problem(404, "http-404", "Not Found")
# HAProxy's own
NO_SERVER = (503, {"type": "about:blank", "title": "Service Unavailable", "status": 503})


class Desk(ThreadingHTTPServer):
    """One change request, approved and unused, until a test says otherwise. `says` is answered whatever is asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.authorisation: dict[str, Any] = {
            "change": CHANGE,
            "authorised": True,
            "basis": "two-approvals",
            "reasons": [],
            "state": "approved",
            "version": 3,
            "revision": 1,
            "until": "2026-12-01T16:00:00Z",
            "during_production": False,
            "use": None,
        }
        self.break_glass: dict[str, Any] | None = None
        self.says: dict[str, tuple[int, Any]] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        self.alerts: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_port}"

    @property
    def uses(self) -> list[str]:
        """The references of all uses that were sent, repetitions too."""
        return [headers["Idempotency-Key"] for method, _, headers in self.asked if method == "POST"]

    def refuse(self, *reasons: str, **others: Any) -> None:
        self.authorisation |= {"authorised": False, "basis": None, "until": None, "reasons": list(reasons), **others}

    def answer(self, method: str, path: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
        if path == "/api/v2/alerts":
            self.alerts += body
            return self.says.get("alerts", (200, ""))
        self.asked.append((method, path, headers))
        if method in self.says:
            return self.says[method]
        if headers.get("Authorization") != f"Bearer {KEY}":
            return NOBODY
        if urlsplit(path).path == f"/api/v1/changes/{CHANGE}/authorisation":
            return 200, self._authorisation(parse_qs(urlsplit(path).query))
        if path == f"/api/v1/changes/{CHANGE}/use":
            return self._use(headers["Idempotency-Key"], body)
        return NO_ROUTE

    def _authorisation(self, asked: dict[str, list[str]]) -> dict[str, Any]:
        said = dict(self.authorisation)
        if asked["digest"] != [DIGEST]:
            wrong = f"it is for the artefact {DIGEST}, not for {asked['digest'][0]}"
            said |= {"authorised": False, "basis": None, "reasons": [wrong, *said["reasons"]]}
        return said

    def _use(self, key: str, body: dict[str, Any]) -> tuple[int, Any]:
        if key in self.keys:
            return (
                (200, self.keys[key]) if self.keys[key]["body"] == body else problem(422, "idempotency-key-reused", "")
            )
        if not self.authorisation["authorised"]:
            return problem(409, "denied", "The change doesn't authorise this", "; ".join(self.authorisation["reasons"]))
        use = {"at": USED_AT, "by": "gate", "reference": body["reference"]}
        self.refuse(f"it was used at {USED_AT} for {body['reference']}", use=use, state="used")
        self.keys[key] = {"use": use, "break_glass": self.break_glass, "body": body}
        return 200, self.keys[key]


class _Handler(BaseHTTPRequestHandler):
    server: Desk

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: Any) -> None:
        status, said = self.server.answer(self.command, self.path, dict(self.headers), body)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(said.encode() if isinstance(said, str) else json.dumps(said).encode())

    def log_message(self, *_arguments: object) -> None:
        pass


@contextlib.contextmanager
def open_desk(folder: Path) -> Iterator[Desk]:
    """A desk; FOLDER gets the authority of its certificate, `ca.crt`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Desk() as desk:
        desk.socket = context.wrap_socket(desk.socket, server_side=True)
        thread = threading.Thread(target=desk.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield desk
        desk.shutdown()
        thread.join()
