"""The copy of seals and archives: kojo-escrow against a service that tells the truth, and against ones that don't."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "roles/escrow/files/kojo-escrow.py"
# the format's test vectors, which the service is held to as well
VECTORS = json.loads((ROOT / "service/tests/vectors/audit.json").read_text())
API_KEY = "key-of-the-escrow"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kojo_escrow", PROGRAM)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def canonical(value: object) -> bytes:
    """RFC 8785 for what has ASCII text and whole numbers only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@dataclass
class Service:
    """What the API of the hosts with the service answers."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    lines: list[bytes] = field(default_factory=list)
    archives: dict[str, dict[str, bytes]] = field(default_factory=dict)
    known: list[dict[str, str]] = field(default_factory=list)
    down: bool = False

    @property
    def pem(self) -> str:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def key_id(self) -> str:
        return hashlib.sha256(self.key.public_key().public_bytes_raw()).hexdigest()[:16]

    def seal(self, sealed_at: str = "2026-01-05T08:30:00.000000Z", **changes: Any) -> None:
        """A further seal, over one event."""
        leaf = hashlib.sha256(bytes([0, len(self.lines)])).digest()
        previous = hashlib.sha256(json_body(self.lines[-1])).hexdigest() if self.lines else bytes(32).hex()
        body = {
            "events": 1,
            "ids": [len(self.lines) + 1],
            "key": self.key_id,
            "number": len(self.lines) + 1,
            "previous": previous,
            "root": leaf.hex(),
            "sealed_at": sealed_at,
        }
        signed = canonical(body | changes)
        signature = self.key.sign(b"kojo.audit.seal.v1\0" + signed).hex().encode()
        self.lines.append(
            b'{"leaves":"' + leaf.hex().encode() + b'","seal":' + signed + b',"signature":"' + signature + b'"}'
        )

    def archive(self, name: str, rows: bytes = b"rows of the month", *, version: int = 2) -> None:
        kind, month = name.split("-", 1)
        files = {"file": ("rows.jsonl.gz", rows), "blocks": ("blocks.jsonl.gz", b"blocks of the month")}
        if version == 1:
            del files["blocks"]
        body = {
            "archive": kind,
            "created_at": "2026-02-02T00:00:00.000000Z",
            "first_id": "1",
            "format": f"kojo.archive.v{version}",
            "key": self.key_id,
            "last_id": "9",
            "month": f"{month}-01",
            "root": hashlib.sha256(name.encode()).hexdigest(),
            "rows": 9,
            **{
                what: {"bytes": len(data), "name": file, "sha256": hashlib.sha256(data).hexdigest()}
                for what, (file, data) in files.items()
            },
        }
        signature = self.key.sign(b"kojo.archive.v1\0" + canonical(body)).hex()
        manifest = canonical({"body": body, "signature": signature}) + b"\n"
        self.archives[name] = {"manifest.json": manifest, **dict(files.values())}
        self.known.append({"name": name, "root": str(body["root"])})

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        if self.down:
            return 503, b""
        if path == "/api/v1/audit/seals/lines":
            after, limit = int(query["after"]), int(query["limit"])
            return 200, b"".join(line + b"\n" for line in self.lines[after : after + limit])
        if path == "/api/v1/archives":
            # pages of one: the copy follows them
            position = int(query.get("cursor", 0))
            more = str(position + 1) if position + 1 < len(self.known) else None
            return 200, json.dumps({"items": self.known[position : position + 1], "next": more}).encode()
        name, file = path.removeprefix("/api/v1/archives/").split("/")
        content = self.archives.get(name, {}).get(file)
        return (200, content) if content is not None else (404, b"")


def json_body(line: bytes) -> bytes:
    return line.partition(b'","seal":')[2].rpartition(b',"signature":"')[0]


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            allowed = self.headers["Authorization"] == f"Bearer {API_KEY}"
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            status, content = service.answer(url.path, query) if allowed else (401, b"")
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            pass

    return Handler


@dataclass
class Copy:
    """A host's copy, and the services that it asks."""

    program: ModuleType
    folder: Path
    services: list[Service]
    urls: list[str]
    api_key: str = API_KEY

    def run(self, what: str) -> int:
        sources = self.program.Sources(self.urls, self.api_key, None)
        keys = self.program.Keys("".join(service.pem for service in self.services[:1]))
        return int(self.program.run(what, self.folder, sources, keys))

    def seals(self) -> list[bytes]:
        paths = sorted((self.folder / "seals").glob("*.jsonl"))
        return [line for path in paths for line in path.read_bytes().splitlines()]

    def metrics(self) -> dict[str, float]:
        self.program.main(["metrics", str(self.folder), str(self.folder)])
        lines = (self.folder / "kojo-escrow.prom").read_text().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


@pytest.fixture
def copy(program: ModuleType, tmp_path: Path) -> Iterator[Copy]:
    """Of two hosts with the service; the second has the first one's key."""
    first = Service()
    services = [first, Service(key=first.key)]
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(service)) for service in services]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    yield Copy(program, tmp_path, services, [f"http://127.0.0.1:{server.server_port}" for server in servers])
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_programs_seals_are_those_of_the_format(program: ModuleType) -> None:
    keys = program.Keys(VECTORS["key"]["public_pem"])
    for vector in VECTORS["seals"]:
        seal = program.checked(vector["line"].encode(), keys)
        assert seal.hash == hashlib.sha256(vector["body"].encode()).hexdigest()
        with pytest.raises(program.Disagreement):
            program.checked(vector["line"].replace("2026", "2027").encode(), keys)
    for vector in VECTORS["merkle"]:
        leaves = [hashlib.sha256(b"\0" + bytes.fromhex(leaf)).digest() for leaf in vector["leaves"]]
        assert program.merkle_root(leaves).hex() == vector["root"]


def test_the_copy_follows_the_source_line_by_line(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy.program, "PAGE", 3)
    service = copy.services[0]
    for month in ("01", "01", "02", "02", "03"):
        service.seal(f"2026-{month}-05T08:30:00.000000Z")
    assert copy.run("seals") == 0
    assert copy.seals() == service.lines
    assert [path.name[6:13] for path in sorted((copy.folder / "seals").iterdir())] == ["2026-01", "2026-02", "2026-03"]
    service.seal("2026-03-05T08:31:00.000000Z")
    # the clock went back over a month's end: the order is the chain's
    service.seal("2026-02-28T23:59:59.000000Z")
    assert copy.run("seals") == 0
    assert copy.run("seals") == 0
    assert copy.seals() == service.lines
    metrics = copy.metrics()
    assert metrics["kojo_escrow_newest_seal_number"] == 7
    assert metrics["kojo_escrow_newest_seal_timestamp_seconds"] == 1772323199
    assert metrics['kojo_escrow_disagrees{what="seals"}'] == 0
    assert metrics['kojo_escrow_agreed_timestamp_seconds{what="seals"}'] > 1.7e9


def test_what_a_crash_left_of_a_line_is_written_anew(copy: Copy) -> None:
    service = copy.services[0]
    service.seal()
    assert copy.run("seals") == 0
    (path,) = (copy.folder / "seals").iterdir()
    path.write_bytes(path.read_bytes() + b'{"leaves":"00')
    service.seal()
    assert copy.run("seals") == 0
    assert copy.seals() == service.lines


def shorter(service: Service) -> None:
    del service.lines[-1]


def rewritten(service: Service) -> None:
    """All of it, with the true key: whoever has it and the database can do that."""
    service.lines.clear()
    for _ in range(4):
        service.seal("2026-01-05T08:30:01.000000Z")


def gap(service: Service) -> None:
    service.seal()
    service.seal()
    del service.lines[-2]


def another_chain(service: Service) -> None:
    service.seal(previous="11" * 32)


def another_key(service: Service) -> None:
    key, service.key = service.key, Ed25519PrivateKey.generate()
    service.seal()
    service.key = key


def forged(service: Service) -> None:
    service.seal()
    service.lines[-1] = service.lines[-1].replace(b'"events":1', b'"events":2')


def other_leaves(service: Service) -> None:
    service.seal()
    service.lines[-1] = service.lines[-1].replace(b'{"leaves":"', b'{"leaves":"' + b"00" * 32)


def no_seal(service: Service) -> None:
    service.lines.append(b"<html>")


@pytest.mark.parametrize("change", [shorter, rewritten, gap, another_chain, another_key, forged, other_leaves, no_seal])
def test_a_source_that_differs_is_told_and_the_copy_stays(
    copy: Copy, capsys: pytest.CaptureFixture[str], change: Any
) -> None:
    service = copy.services[0]
    for _ in range(3):
        service.seal()
    assert copy.run("seals") == 0
    before, truth = copy.seals(), list(service.lines)
    change(service)
    assert copy.run("seals") == 1
    assert "copy and source disagree" in capsys.readouterr().err
    assert copy.seals() == before
    assert copy.metrics()['kojo_escrow_disagrees{what="seals"}'] == 1
    # and goes on when it is mended
    service.lines[:] = truth
    service.seal()
    assert copy.run("seals") == 0
    assert copy.metrics()['kojo_escrow_disagrees{what="seals"}'] == 0


def test_an_altered_copy_is_told_too(copy: Copy) -> None:
    service = copy.services[0]
    service.seal()
    service.seal()
    assert copy.run("seals") == 0
    (path,) = (copy.folder / "seals").iterdir()
    path.write_bytes(path.read_bytes().replace(b"2026-01-05T08:30:00", b"2026-01-05T08:30:07"))
    assert copy.run("seals") == 1
    assert copy.metrics()['kojo_escrow_disagrees{what="seals"}'] == 1


def test_any_host_with_the_service_will_do_but_one_it_takes(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = copy.services
    second.seal()
    first.down = True
    assert copy.run("seals") == 0
    assert copy.seals() == second.lines
    agreed = copy.metrics()['kojo_escrow_agreed_timestamp_seconds{what="seals"}']
    second.down = True
    assert copy.run("seals") == 1
    told = capsys.readouterr().err
    assert "no source answers" in told
    assert [url in told for url in copy.urls] == [True, True]
    metrics = copy.metrics()
    assert metrics['kojo_escrow_agreed_timestamp_seconds{what="seals"}'] == agreed
    assert metrics['kojo_escrow_disagrees{what="seals"}'] == 0, "an outage is no disagreement"


def test_without_its_key_it_gets_nothing(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    copy.services[0].seal()
    copy.api_key = "another"
    assert copy.run("seals") == 1
    assert "401" in capsys.readouterr().err


def test_archives_are_fetched_once_from_the_host_that_has_them(copy: Copy) -> None:
    first, second = copy.services
    second.archive("audit-2025-12", version=1)
    second.archive("audit-2026-01")
    second.archive("readings-2026-01", rows=bytes(range(256)) * 9000)
    first.known = second.known
    assert copy.run("archives") == 0
    for name, files in second.archives.items():
        folder = copy.folder / "archives" / name
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert copy.metrics()["kojo_escrow_archives"] == 3
    second.archives.clear()
    assert copy.run("archives") == 0, "what is there isn't asked for again"
    assert copy.metrics()["kojo_escrow_archives_missing"] == 0


def test_an_archive_that_no_host_gives_is_counted(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = copy.services
    first.archive("audit-2026-01")
    lost = first.archives.pop("audit-2026-01")
    assert copy.run("archives") == 0
    assert "audit-2026-01" in capsys.readouterr().err
    assert copy.metrics()["kojo_escrow_archives_missing"] == 1
    second.archives["audit-2026-01"] = lost
    assert copy.run("archives") == 0
    assert copy.metrics()["kojo_escrow_archives_missing"] == 0


def other_rows(service: Service) -> None:
    service.archives["audit-2026-01"]["rows.jsonl.gz"] = b"others of the month"


def other_blocks(service: Service) -> None:
    service.archives["audit-2026-01"]["blocks.jsonl.gz"] = b"others of the month"


def another_months(service: Service) -> None:
    service.archive("audit-2025-12")
    service.archives["audit-2026-01"] = service.archives["audit-2025-12"]


def edited_manifest(service: Service) -> None:
    files = service.archives["audit-2026-01"]
    files["manifest.json"] = files["manifest.json"].replace(b'"rows":9', b'"rows":8')


def a_page(service: Service) -> None:
    service.archives["audit-2026-01"]["manifest.json"] = b"<html>"


def a_way_out(service: Service) -> None:
    service.known[0]["name"] = "../../etc/cron.d"


@pytest.mark.parametrize("change", [other_rows, other_blocks, another_months, edited_manifest, a_page, a_way_out])
def test_an_archive_that_is_not_what_was_signed_is_not_kept(
    copy: Copy, capsys: pytest.CaptureFixture[str], change: Any
) -> None:
    service = copy.services[0]
    service.archive("audit-2026-01")
    change(service)
    assert copy.run("archives") == 1
    assert "copy and source disagree" in capsys.readouterr().err
    assert not (copy.folder / "archives" / "audit-2026-01").exists()
    assert copy.metrics()['kojo_escrow_disagrees{what="archives"}'] == 1


def test_an_archive_that_the_service_no_longer_knows_stays_and_is_told(copy: Copy) -> None:
    service = copy.services[0]
    service.archive("audit-2026-01")
    assert copy.run("archives") == 0
    service.known[0]["root"] = "00" * 32
    assert copy.run("archives") == 1
    assert (copy.folder / "archives" / "audit-2026-01" / "manifest.json").exists()


def test_before_the_first_run_nothing_is_claimed(copy: Copy) -> None:
    assert set(copy.metrics().values()) == {0}
    assert (copy.folder / "kojo-escrow.prom").stat().st_mode & 0o777 == 0o644


def test_a_word_that_it_does_not_know_shows_how_it_is_used(program: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"kojo-escrow seals FOLDER"):
        program.main(["everything"])
