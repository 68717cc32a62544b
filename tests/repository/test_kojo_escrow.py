"""The copies of seals, journals and archives: kojo-escrow against services that tell the truth, and ones that don't."""

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
WRITER = "ansible"
CHAINS = ["seals", "journals"]


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


def pem_of(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def id_of(key: Ed25519PrivateKey) -> str:
    return hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]


@dataclass
class Service:
    """What the API of the hosts with the service answers. `key` signs seals and archives, `journal_key` records."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    journal_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    lines: list[bytes] = field(default_factory=list)
    journals: dict[str, list[bytes]] = field(default_factory=dict)
    archives: dict[str, dict[str, bytes]] = field(default_factory=dict)
    known: list[dict[str, str]] = field(default_factory=list)
    down: bool = False

    def chain(self, what: str) -> list[bytes]:
        return self.lines if what == "seals" else self.journals.setdefault(WRITER, [])

    def add(self, what: str, at: str = "2026-01-05T08:30:00.000000Z", **changes: Any) -> None:
        """A further seal or record."""
        if what == "seals":
            self.seal(at, **changes)
        else:
            self.record(WRITER, at, **changes)

    def record(self, writer: str, at: str = "2026-01-05T08:30:00.000000Z", **changes: Any) -> None:
        """`previous` and `number` in `changes` are the record's, all else its event's."""
        lines = self.journals.setdefault(writer, [])
        number = changes.pop("number", len(lines) + 1)
        previous = changes.pop("previous", json.loads(lines[-1])["hash"] if lines else bytes(32).hex())
        event = {"action": "site:task", "at": at, "id": number, "new": {"n": number}, "source": "journal"} | changes
        body = {"event": event, "key": id_of(self.journal_key), "sequence": number, "writer": writer}
        digest = hashlib.sha256(bytes.fromhex(previous) + canonical(body)).digest()
        signature = self.journal_key.sign(b"kojo.audit.journal.v1\0" + digest).hex()
        lines.append(canonical(body | {"hash": digest.hex(), "previous": previous, "signature": signature}))

    def seal(self, sealed_at: str = "2026-01-05T08:30:00.000000Z", **changes: Any) -> None:
        """A further seal, over one event."""
        leaf = hashlib.sha256(bytes([0, len(self.lines)])).digest()
        previous = hashlib.sha256(json_body(self.lines[-1])).hexdigest() if self.lines else bytes(32).hex()
        body = {
            "events": 1,
            "ids": [len(self.lines) + 1],
            "key": id_of(self.key),
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
            "key": id_of(self.key),
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
        if path == "/api/v1/audit/journals/lines":
            after, limit = int(query["after"]), int(query["limit"])
            lines = self.journals.get(query["writer"], [])
            return 200, b"".join(line + b"\n" for line in lines[after : after + limit])
        if path in ("/api/v1/archives", "/api/v1/audit/journals"):
            writers = [{"writer": writer, "records": len(lines)} for writer, lines in self.journals.items()]
            items = self.known if path == "/api/v1/archives" else writers
            # pages of one: the copy follows them
            position = int(query.get("cursor", 0))
            more = str(position + 1) if position + 1 < len(items) else None
            return 200, json.dumps({"items": items[position : position + 1], "next": more}).encode()
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
    keys: Path
    services: list[Service]
    urls: list[str]
    api_key: str = API_KEY

    def run(self, what: str) -> int:
        sources = self.program.Sources(self.urls, self.api_key, None)
        return int(self.program.run(what, self.folder, sources, self.program.Trusted.of(self.keys)))

    def verify(self) -> int:
        return int(self.program.main(["verify", str(self.folder), str(self.keys)]))

    def files(self, what: str) -> list[Path]:
        return sorted((self.folder / what / ("" if what == "seals" else WRITER)).glob("*.jsonl"))

    def lines(self, what: str) -> list[bytes]:
        return [line for path in self.files(what) for line in path.read_bytes().splitlines()]

    def metrics(self) -> dict[str, float]:
        self.program.main(["metrics", str(self.folder), str(self.folder)])
        lines = (self.folder / "kojo-escrow.prom").read_text().splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


@pytest.fixture
def copy(program: ModuleType, tmp_path: Path) -> Iterator[Copy]:
    """Of two hosts with the service; the second has the first one's key."""
    first = Service()
    services = [first, Service(first.key, first.journal_key)]
    folder, keys = tmp_path / "copy", tmp_path / "keys"
    folder.mkdir()
    keys.mkdir()
    (keys / "seal.pub").write_text(pem_of(first.key))
    # the name above it says whose it is
    (keys / "journal.pub").write_text(
        f"control2\n{pem_of(Ed25519PrivateKey.generate())}{WRITER}\n{pem_of(first.journal_key)}"
    )
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _handler(service)) for service in services]
    threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in servers]
    for thread in threads:
        thread.start()
    yield Copy(program, folder, keys, services, [f"http://127.0.0.1:{server.server_port}" for server in servers])
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_programs_seals_are_those_of_the_format(program: ModuleType) -> None:
    keys = program.Keys(VECTORS["key"]["public_pem"])
    for vector in VECTORS["seals"]:
        seal = program.seal_of(vector["line"].encode())
        assert seal.hash == hashlib.sha256(vector["body"].encode()).hexdigest()
        keys.check(seal.what, seal.key, seal.signed, seal.signature)
        other = program.seal_of(vector["line"].replace("2026", "2027").encode())
        with pytest.raises(program.Disagreement):
            keys.check(other.what, other.key, other.signed, other.signature)
    for vector in VECTORS["merkle"]:
        leaves = [hashlib.sha256(b"\0" + bytes.fromhex(leaf)).digest() for leaf in vector["leaves"]]
        assert program.merkle_root(leaves).hex() == vector["root"]


def test_the_programs_records_are_those_of_the_format(program: ModuleType) -> None:
    keys = program.Keys(VECTORS["key"]["public_pem"])
    for number, vector in enumerate(VECTORS["journal"], 1):
        record = program.record_of(vector["line"].encode(), "control1")
        assert (record.number, record.previous, record.hash) == (number, vector["previous"], vector["hash"])
        keys.check(record.what, record.key, record.signed, record.signature)
        for old, new in (
            ("愛子", "花子"),
            ('"hash":"', '"hash":"0'),
            ('"sequence":', '"sequence":1'),
            (":null,", ": null,"),
        ):
            altered = vector["line"].replace(old, new, 1)
            assert altered != vector["line"]
            with pytest.raises(ValueError, match="is "):
                program.record_of(altered.encode(), "control1")
        with pytest.raises(ValueError, match="none of control2"):
            program.record_of(vector["line"].encode(), "control2")


@pytest.mark.parametrize("what", CHAINS)
def test_the_copy_follows_the_source_line_by_line(copy: Copy, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(copy.program, "PAGE", 3)
    service = copy.services[0]
    for month in ("01", "01", "02", "02", "03"):
        service.add(what, f"2026-{month}-05T08:30:00.000000Z")
    assert copy.run(what) == 0
    assert copy.lines(what) == service.chain(what)
    assert [path.name[-13:-6] for path in copy.files(what)] == ["2026-01", "2026-02", "2026-03"]
    service.add(what, "2026-03-05T08:31:00.000000Z")
    # the clock went back over a month's end: the order is the chain's
    service.add(what, "2026-02-28T23:59:59.000000Z")
    assert copy.run(what) == 0
    assert copy.run(what) == 0
    assert copy.lines(what) == service.chain(what)
    metrics = copy.metrics()
    assert metrics[f'kojo_escrow_disagrees{{what="{what}"}}'] == 0
    assert metrics[f'kojo_escrow_agreed_timestamp_seconds{{what="{what}"}}'] > 1.7e9
    if what == "seals":
        assert metrics["kojo_escrow_newest_seal_number"] == 7
        assert metrics["kojo_escrow_newest_seal_timestamp_seconds"] == 1772323199


@pytest.mark.parametrize("what", CHAINS)
def test_what_a_crash_left_of_a_line_is_written_anew(copy: Copy, what: str) -> None:
    service = copy.services[0]
    service.add(what)
    assert copy.run(what) == 0
    (path,) = copy.files(what)
    path.write_bytes(path.read_bytes() + service.chain(what)[0][:30])
    service.add(what)
    assert copy.run(what) == 0
    assert copy.lines(what) == service.chain(what)


def test_each_writer_has_a_journal_of_its_own(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    service = copy.services[0]
    second = Service(journal_key=Ed25519PrivateKey.generate())
    with (copy.keys / "journal.pub").open("a") as file:
        file.write(f"control3\n{pem_of(second.journal_key)}")
    second.record("control3")
    service.record(WRITER)
    service.journals |= second.journals
    assert copy.run("journals") == 0
    written = {path.name: path.read_bytes() for path in (copy.folder / "journals").glob("*/*.jsonl")}
    assert written == {f"{writer}-2026-01.jsonl": lines[0] + b"\n" for writer, lines in service.journals.items()}
    # signed with a key that is trusted, but not for this writer
    second.record(WRITER)
    del service.journals[WRITER]
    copy.program.shutil.rmtree(copy.folder / "journals" / WRITER)
    service.journals[WRITER] = second.journals[WRITER]
    assert copy.run("journals") == 1
    assert "which is not trusted here" in capsys.readouterr().err
    assert not copy.files("journals")


def test_a_journal_without_a_trusted_key_is_told(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    copy.services[0].record("../control9")
    assert copy.run("journals") == 1
    assert "a journal of ../control9, who has no key that is trusted here" in capsys.readouterr().err
    assert list((copy.folder / "journals").iterdir()) == []


def test_a_journal_that_the_service_no_longer_knows_is_told(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    copy.services[0].record(WRITER)
    assert copy.run("journals") == 0
    copy.services[0].journals.clear()
    assert copy.run("journals") == 1
    assert f"the source ends before record 1 of {WRITER}" in capsys.readouterr().err
    assert len(copy.lines("journals")) == 1


def shorter(service: Service, what: str) -> None:
    del service.chain(what)[-1]


def rewritten(service: Service, what: str) -> None:
    """All of it, with the true key: whoever has it and the database can do that."""
    service.chain(what).clear()
    for _ in range(4):
        service.add(what, "2026-01-05T08:30:01.000000Z")


def gap(service: Service, what: str) -> None:
    service.add(what)
    service.add(what)
    del service.chain(what)[-2]


def another_chain(service: Service, what: str) -> None:
    service.add(what, previous="11" * 32)


def another_number(service: Service, what: str) -> None:
    service.add(what, number=5)


def another_key(service: Service, what: str) -> None:
    keys = service.key, service.journal_key
    service.key = service.journal_key = Ed25519PrivateKey.generate()
    service.add(what)
    service.key, service.journal_key = keys


def altered(service: Service, what: str) -> None:
    service.add(what)
    lines = service.chain(what)
    lines[-1] = lines[-1].replace(b"08:30:00", b"08:30:07")


def forged(service: Service, what: str) -> None:
    """All fits, but the signature."""
    service.add(what)
    lines = service.chain(what)
    head, quote, signature = lines[-1].rpartition(b'"signature":"')
    lines[-1] = head + quote + (b"0" if signature[:1] != b"0" else b"1") + signature[1:]


def other_leaves(service: Service, what: str) -> None:
    service.add(what)
    lines = service.chain(what)
    lines[-1] = lines[-1].replace(b'{"leaves":"', b'{"leaves":"' + b"00" * 32)


def no_line(service: Service, what: str) -> None:
    service.chain(what).append(b"<html>")


CHANGES = [shorter, rewritten, gap, another_chain, another_number, another_key, altered, forged, no_line]


@pytest.mark.parametrize(
    ("what", "change"),
    [("seals", other_leaves), *((what, change) for what in CHAINS for change in CHANGES)],
)
def test_a_source_that_differs_is_told_and_the_copy_stays(
    copy: Copy, capsys: pytest.CaptureFixture[str], what: str, change: Any
) -> None:
    service = copy.services[0]
    for _ in range(3):
        service.add(what)
    assert copy.run(what) == 0
    before, truth = copy.lines(what), list(service.chain(what))
    change(service, what)
    assert copy.run(what) == 1
    assert "copy and source disagree" in capsys.readouterr().err
    assert copy.lines(what) == before
    assert copy.metrics()[f'kojo_escrow_disagrees{{what="{what}"}}'] == 1
    # and goes on when it is mended
    service.chain(what)[:] = truth
    service.add(what)
    assert copy.run(what) == 0
    assert copy.metrics()[f'kojo_escrow_disagrees{{what="{what}"}}'] == 0


@pytest.mark.parametrize("what", CHAINS)
@pytest.mark.parametrize(("old", "new"), [(b"2026-01-05T08:30:00", b"2026-01-05T08:30:07"), (b'":"', b'":"00')])
def test_an_altered_copy_is_told_too(copy: Copy, what: str, old: bytes, new: bytes) -> None:
    service = copy.services[0]
    service.add(what)
    service.add(what)
    assert copy.run(what) == 0
    (path,) = copy.files(what)
    path.write_bytes(path.read_bytes().replace(old, new))
    assert copy.run(what) == 1
    assert copy.metrics()[f'kojo_escrow_disagrees{{what="{what}"}}'] == 1


def test_the_copy_is_verified_by_itself(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    service = copy.services[0]
    for month in ("01", "02"):
        for what in CHAINS:
            service.add(what, f"2026-{month}-05T08:30:00.000000Z")
            assert copy.run(what) == 0
    service.down = True
    capsys.readouterr()
    assert copy.verify() == 0
    seal, record = (
        hashlib.sha256(json_body(service.lines[-1])).hexdigest(),
        json.loads(service.journals[WRITER][-1])["hash"],
    )
    assert capsys.readouterr().out.splitlines() == [
        f"seals: 2, whole and unaltered, up to the hash {seal}",
        f"{WRITER}: 2, whole and unaltered, up to the hash {record}",
    ]


@pytest.mark.parametrize("what", CHAINS)
@pytest.mark.parametrize("harm", ["edited", "removed", "reordered", "cut"])
def test_verifying_names_what_was_done_to_the_copy(
    copy: Copy, capsys: pytest.CaptureFixture[str], what: str, harm: str
) -> None:
    for _ in range(4):
        copy.services[0].add(what)
    assert copy.run(what) == 0
    (path,) = copy.files(what)
    first, second, third, fourth = path.read_bytes().splitlines(keepends=True)
    edited = second.replace(b"08:30:00", b"08:30:07")
    harmed = {
        "edited": (first, edited, third, fourth),
        "removed": (first, third, fourth),
        "reordered": (first, third, second, fourth),
        "cut": (first, second, third, fourth[:-20]),
    }
    path.write_bytes(b"".join(harmed[harm]))
    assert copy.verify() == 1
    assert "the copy is not what was signed" in capsys.readouterr().err


def test_any_host_with_the_service_will_do_but_one_it_takes(copy: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = copy.services
    second.seal()
    first.down = True
    assert copy.run("seals") == 0
    assert copy.lines("seals") == second.lines
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
