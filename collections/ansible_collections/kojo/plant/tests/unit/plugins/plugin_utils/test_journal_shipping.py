"""Against a server of TLS that answers as the service does: it knows a head, and takes what follows on it."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils import journal_shipping
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_settings import Service, Settings
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_shipping import Refused, ship
from ansible_collections.kojo.plant.tests.unit.plugins.journals import written
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


class Taker(ThreadingHTTPServer):
    """Its answers are those of service/tests/test_audit_api.py."""

    head = 0
    requests: list[tuple[int, dict[str, str]]]
    answer: tuple[int, dict[str, Any]] | None = None


class Handler(BaseHTTPRequestHandler):
    server: Taker

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        lines = [json.loads(line) for line in body.splitlines()]
        self.server.requests.append((len(lines), dict(self.headers)))
        status, said = self.server.answer or self._take([line["sequence"] for line in lines])
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def _take(self, numbers: list[int]) -> tuple[int, dict[str, Any]]:
        new = [number for number in numbers if number > self.server.head]
        if new and new[0] != self.server.head + 1:
            detail = f"removed: record {self.server.head + 1} of ansible: record {new[0]} follows on it"
            return 409, {"type": "urn:kojo:problem:journal-broken", "detail": detail}
        self.server.head = max([self.server.head, *new])
        return 200, {"accepted": len(new), "known": len(numbers) - len(new)}

    def log_message(self, *_arguments: object) -> None:
        pass


def certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "edge")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.crt").write_bytes(made.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "host.pem").write_bytes(private + made.public_bytes(Encoding.PEM))
    return folder / "ca.crt"


@pytest.fixture
def taker(tmp_path: Path) -> Iterator[Taker]:
    certificate(tmp_path)
    with Taker(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "host.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def settings(tmp_path: Path, port: int) -> Settings:
    service = Service(f"https://127.0.0.1:{port}", tmp_path / "ca.crt", "key-of-the-journal")
    return Settings("works", tmp_path / "journal", "ansible", None, service)


def test_each_record_is_sent_once_in_bounded_batches(
    taker: Taker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = settings(tmp_path, taker.server_port)
    written(plant.directory, 7)
    monkeypatch.setattr(journal_shipping, "MOST_LINES", 3)
    assert ship(plant) == 7
    assert [count for count, _ in taker.requests] == [3, 3, 1]
    assert ship(plant) == 0
    written(plant.directory, 1)
    assert ship(plant) == 1
    headers = taker.requests[-1][1]
    assert headers["Authorization"] == "Bearer key-of-the-journal"
    assert len({sent["Idempotency-Key"] for _, sent in taker.requests}) == 4


def test_a_batch_is_bounded_in_bytes(taker: Taker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = settings(tmp_path, taker.server_port)
    path = written(plant.directory, 4)
    monkeypatch.setattr(journal_shipping, "MOST_BYTES", path.stat().st_size // 2 + 1)
    assert ship(plant) == 4
    assert [count for count, _ in taker.requests] == [2, 2]


def test_a_service_from_a_backup_gets_what_it_lacks(taker: Taker, tmp_path: Path) -> None:
    plant = settings(tmp_path, taker.server_port)
    written(plant.directory, 5)
    ship(plant)
    taker.head = 2
    written(plant.directory, 1)
    assert ship(plant) == 4
    assert taker.head == 6


def test_a_lost_cursor_costs_a_repetition(taker: Taker, tmp_path: Path) -> None:
    plant = settings(tmp_path, taker.server_port)
    written(plant.directory, 5)
    ship(plant)
    (plant.directory / "works.ansible.shipped").unlink()
    assert ship(plant) == 0


def test_old_files_are_sent_before_the_new(taker: Taker, tmp_path: Path) -> None:
    plant = settings(tmp_path, taker.server_port)
    path = written(plant.directory, 5)
    lines = path.read_bytes().splitlines(keepends=True)
    (plant.directory / "works.ansible.000000001-000000003.jsonl").write_bytes(b"".join(lines[:3]))
    path.write_bytes(b"".join(lines[3:]))
    assert ship(plant) == 5


@pytest.mark.parametrize(
    ("status", "said", "error"),
    [
        (401, {"title": "Who are you?"}, "401 Who are you"),
        (409, {"type": "urn:kojo:problem:journal-broken", "detail": "edited: record 2"}, "409 edited: record 2"),
        (422, {"detail": "no journal"}, "422 no journal"),
    ],
)
def test_a_refusal_says_why(taker: Taker, tmp_path: Path, status: int, said: dict[str, str], error: str) -> None:
    plant = settings(tmp_path, taker.server_port)
    written(plant.directory, 1)
    taker.answer = status, said
    with pytest.raises(Refused, match=error):
        ship(plant)
    taker.answer = None
    assert ship(plant) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_is_ill_is_as_one_that_is_away(taker: Taker, tmp_path: Path, status: int) -> None:
    plant = settings(tmp_path, taker.server_port)
    written(plant.directory, 1)
    taker.answer = status, {"title": "Not now"}
    with pytest.raises(OSError, match=f"{status} Not now"):
        ship(plant)


def test_nobody_else_gets_the_records(taker: Taker, tmp_path: Path) -> None:
    plant = settings(tmp_path, taker.server_port)
    written(plant.directory, 1)
    certificate(tmp_path)  # another authority
    with pytest.raises(ssl.SSLCertVerificationError):
        ship(plant)
    assert taker.requests == []


def test_without_an_authority_nothing_is_sent(taker: Taker, tmp_path: Path) -> None:
    plant = settings(tmp_path, taker.server_port)
    written(plant.directory, 1)
    (tmp_path / "ca.crt").unlink()
    assert ship(plant) == 0
    assert taker.requests == []


def test_a_port_that_nobody_listens_at_is_no_fault_of_ours(tmp_path: Path) -> None:
    certificate(tmp_path)
    plant = settings(tmp_path, 1)
    written(plant.directory, 1)
    with pytest.raises(ConnectionRefusedError):
        ship(plant)
