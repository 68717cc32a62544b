#!/usr/bin/python3
"""Keeps copies of the service's audit seals, journals and archived months, and tells when copy and source disagree.

    kojo-escrow seals FOLDER               appends the seals that the copy lacks
    kojo-escrow journals FOLDER            appends the records of each journal that the copy lacks
    kojo-escrow archives FOLDER            fetches the archives that the copy lacks
    kojo-escrow verify FOLDER KEYS         checks all seals and records of the copy, offline
    kojo-escrow metrics FOLDER DIRECTORY   as root: writes what the others found out for the node exporter

What is in the folder is only added to: a seal or record that doesn't continue the copy, or a source that ends before
it, is a disagreement, and so is anything that isn't signed with a trusted key. KEYS has these: seal.pub, and
journal.pub with the name of its writer above each key. Sources, folder of the keys and certificates come from the
unit's environment. Formats: kojo_mes/audit/records.py and kojo_mes/retention/archive.py of the service.

Exit codes: 0 copy and source agree, or the copy is whole; 1 they disagree, no source answers, or it isn't.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.client
import json
import os
import re
import shutil
import ssl
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

PAGE = 500
BLOCK = 1024 * 1024
TIMEOUT = 30.0
FIRST_PREVIOUS = bytes(32).hex()
SEAL_USE, JOURNAL_USE, ARCHIVE_USE = b"kojo.audit.seal.v1\0", b"kojo.audit.journal.v1\0", b"kojo.archive.v1\0"
# a record's parts in the order of canonical JSON: those that were hashed are used as they stand
RECORD = re.compile(
    rb'\{("event":\{.*\}),"hash":"([0-9a-f]{64})",("key":"[0-9a-f]{16}"),"previous":"([0-9a-f]{64})",'
    rb'("sequence":[0-9]+),"signature":"([0-9a-f]{128})",("writer":"[^"\\]+")\}'
)
FILES = {"file": "rows.jsonl.gz", "blocks": "blocks.jsonl.gz"}  # of an archive, by what its manifest calls them
MANIFEST = "manifest.json"
NAME = re.compile(r"(audit|readings)-\d{4}-\d{2}")
COPIES = ("seals", "journals", "archives")
PUBLIC_KEY = r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----"

HELP = {
    "kojo_escrow_agreed_timestamp_seconds": "End of the last run in which a source answered and agreed with the copy.",
    "kojo_escrow_disagrees": "1 when the last run that reached a source found that it and the copy disagree.",
    "kojo_escrow_newest_seal_timestamp_seconds": "When the newest seal of the copy was made; 0 without one.",
    "kojo_escrow_newest_seal_number": "Number of the newest seal of the copy.",
    "kojo_escrow_archives": "Archived months in the copy.",
    "kojo_escrow_archives_missing": "Archived months that the service knows and the copy lacks.",
}


class Disagreement(Exception):
    """The source isn't what the copy, or a signature, says that it is."""


class NoAnswer(Exception):
    """No source gave what was asked for."""


class Missing(Exception):
    """The source hasn't got it."""


class Keys:
    """The trusted public keys, by their id: the first 8 bytes of SHA-256 of a key's 32 bytes."""

    def __init__(self, pem: str) -> None:
        self._keys: dict[str, Ed25519PublicKey] = {}
        for block in re.findall(PUBLIC_KEY, pem, re.DOTALL):
            key = load_pem_public_key(block.encode())
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError("a trusted key is not an Ed25519 key")
            self._keys[hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]] = key

    def check(self, what: str, key: object, signed: bytes, signature: bytes) -> None:
        known = self._keys.get(str(key))
        if known is None:
            raise Disagreement(f"{what} names the key {key}, which is not trusted here")
        try:
            known.verify(signature, signed)
        except InvalidSignature:
            raise Disagreement(f"{what} is not signed by the key {key} that it names") from None


class Trusted(NamedTuple):
    """Whose signature seals and archives are to have, and the journal of each writer."""

    seals: Keys
    journals: Mapping[str, Keys]

    @classmethod
    def of(cls, folder: Path) -> Trusted:
        text = (folder / "journal.pub").read_text()
        named = re.findall(rf"^([^\n]+)\n({PUBLIC_KEY})", text, re.DOTALL | re.MULTILINE)
        return cls(Keys((folder / "seal.pub").read_text()), {writer: Keys(pem) for writer, pem in named})


class Sources:
    """The hosts with the service. Any of them knows all seals and records; an archive's files are where it was made."""

    def __init__(self, urls: list[str], key: str, tls: ssl.SSLContext | None) -> None:
        self._urls, self._key, self._tls = urls, key, tls

    def first(self, path: str, read: Callable[[http.client.HTTPResponse], Any]) -> Any:
        """What `read` makes of the first answer. NoAnswer with each source's reason; Missing when none has it."""
        reasons = []
        missing = 0
        for url in self._urls:
            try:
                return self._ask(url, path, read)
            except Missing as reason:
                missing += 1
                reasons.append(f"{url}: {reason}")
            except (OSError, http.client.HTTPException, ValueError) as reason:
                reasons.append(f"{url}: {reason}")
        if missing and missing == len(reasons):
            raise Missing(path)
        raise NoAnswer("; ".join(reasons) or "there is no source")

    def _ask(self, url: str, path: str, read: Callable[[http.client.HTTPResponse], Any]) -> Any:
        place = urlsplit(url)
        connection = (
            http.client.HTTPSConnection(place.netloc, timeout=TIMEOUT, context=self._tls)
            if place.scheme == "https"
            else http.client.HTTPConnection(place.netloc, timeout=TIMEOUT)
        )
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self._key}"})
            answer = connection.getresponse()
            if answer.status == http.client.NOT_FOUND:
                raise Missing(path)
            if answer.status != http.client.OK:
                raise ValueError(f"{answer.status} {answer.reason}")
            return read(answer)
        finally:
            connection.close()


# seals and journals


class Link(NamedTuple):
    """A seal, or a record of a journal: what it says, and what was signed."""

    what: str
    number: int
    at: datetime
    previous: str
    hash: str
    key: str
    signed: bytes
    signature: bytes
    line: bytes


class Chain(NamedTuple):
    """Where links are copied to and come from, how a line is read (ValueError), and whose signature it is to have."""

    folder: Path
    path: str
    query: dict[str, str]
    read: Callable[[bytes], Link]
    keys: Keys

    def link(self, line: bytes) -> Link:
        try:
            return self.read(line)
        except (ValueError, KeyError, TypeError) as error:
            raise Disagreement(f"a line of {self.folder.name} {error}") from error

    def newest(self) -> Link | None:
        """The copy's last one, which was checked when it came."""
        for path in sorted(self.folder.glob("*.jsonl"), reverse=True):
            line, _ = last_line(path)
            if line:
                return self.link(line)
        return None

    def following(self, lines: Iterable[bytes], last: Link | None) -> Iterator[Link]:
        """The lines' links, each signed by a trusted key, and the next after the one before."""
        number, previous = (last.number, last.hash) if last else (0, FIRST_PREVIOUS)
        for line in lines:
            link = self.link(line)
            self.keys.check(link.what, link.key, link.signed, link.signature)
            if (link.number, link.previous) != (number + 1, previous):
                raise Disagreement(f"{link.what} doesn't continue number {number}, which stands before it")
            yield link
            number, previous = link.number, link.hash

    def append(self, links: Iterable[Link]) -> int:
        """To the file of a link's month, never to one before the newest: a clock may go back, the order doesn't."""
        name = max((path.name for path in self.folder.glob("*.jsonl")), default="")
        files: dict[Path, list[bytes]] = {}
        for link in links:
            name = max(name, f"{self.folder.name}-{link.at:%Y-%m}.jsonl")
            files.setdefault(self.folder / name, []).append(link.line + b"\n")
        for path, lines in files.items():
            with path.open("a+b") as file:
                # what a crash left of a line was never counted
                file.truncate(last_line(path)[1])
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
        return sum(map(len, files.values()))

    def copy(self, sources: Sources) -> int:
        """Appends what the source has after the copy's last link; how many. Disagreement, NoAnswer."""
        self.folder.mkdir(exist_ok=True)
        copied = 0
        while True:
            last = self.newest()
            # with the copy's own last link, which must be the source's too
            query = urlencode({**self.query, "after": last.number - 1 if last else 0, "limit": PAGE})
            lines: list[bytes] = sources.first(f"{self.path}?{query}", lambda answer: answer.read().splitlines())
            if last:
                if not lines:
                    raise Disagreement(f"the source ends before {last.what}, which is in the copy")
                if lines.pop(0) != last.line:
                    raise Disagreement(f"{last.what} of the source is not the one that is in the copy")
            if not lines:
                return copied
            # all of a page is checked before any of it is kept
            copied += self.append(list(self.following(lines, last)))

    def lines(self) -> Iterator[bytes]:
        """Of the copy, from the first one."""
        for path in sorted(self.folder.glob("*.jsonl")):
            with path.open("rb") as file:
                yield from (line.removesuffix(b"\n") for line in file)


def seal_chain(folder: Path, keys: Keys) -> Chain:
    return Chain(folder / "seals", "/api/v1/audit/seals/lines", {}, seal_of, keys)


def journal_chain(folder: Path, writer: str, keys: Mapping[str, Keys]) -> Chain:
    if writer not in keys:
        raise Disagreement(f"there is a journal of {writer}, who has no key that is trusted here")
    path, read = "/api/v1/audit/journals/lines", functools.partial(record_of, writer=writer)
    return Chain(folder / "journals" / writer, path, {"writer": writer}, read, keys[writer])


def seal_of(line: bytes) -> Link:
    """The bytes that were hashed and signed are used as they stand."""
    head, found, rest = line.partition(b'","seal":')
    body, found_too, signature = rest.rpartition(b',"signature":"')
    if not (head.startswith(b'{"leaves":"') and found and found_too and signature.endswith(b'"}')):
        raise ValueError("is not a seal's line")
    leaves = bytes.fromhex(head[len(b'{"leaves":"') :].decode("ascii"))
    values = json.loads(body)
    what = f"seal {values['number']}"
    if len(leaves) % 32 or merkle_root([leaves[i : i + 32] for i in range(0, len(leaves), 32)]).hex() != values["root"]:
        raise ValueError(f"is {what}, but its leaves don't make the root that was signed")
    return Link(
        what=what,
        number=values["number"],
        at=datetime.fromisoformat(values["sealed_at"]),
        previous=values["previous"],
        hash=hashlib.sha256(body).hexdigest(),
        key=values["key"],
        signed=SEAL_USE + body,
        signature=bytes.fromhex(signature[:-2].decode("ascii")),
        line=line,
    )


def record_of(line: bytes, writer: str) -> Link:
    found = RECORD.fullmatch(line)
    if not found:
        raise ValueError("is not a record's line")
    event, stated, key, previous, sequence, _, named = found.groups()
    digest = hashlib.sha256(bytes.fromhex(previous.decode()) + b"{" + b",".join((event, key, sequence, named)) + b"}")
    values = json.loads(line)
    what = f"record {values['sequence']} of {values['writer']}"
    if digest.hexdigest() != stated.decode():
        raise ValueError(f"is {what}, but its hash is not that of what it says")
    if values["writer"] != writer or values["event"]["id"] != values["sequence"]:
        raise ValueError(f"is {what}, whose event has another number, or which is none of {writer}")
    return Link(
        what=what,
        number=values["sequence"],
        at=datetime.fromisoformat(values["event"]["at"]),
        previous=values["previous"],
        hash=values["hash"],
        key=values["key"],
        signed=JOURNAL_USE + digest.digest(),
        signature=bytes.fromhex(values["signature"]),
        line=line,
    )


def merkle_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, level by level."""
    level = leaves
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [hashlib.sha256(b"\x01" + left + right).digest() for left, right in pairs]
        level = above + level[len(above) * 2 :]
    return level[0] if level else hashlib.sha256().digest()


def last_line(path: Path) -> tuple[bytes, int]:
    """The last line that ends, without its end, and where the file's whole lines end."""
    with path.open("rb") as file:
        position, data = file.seek(0, os.SEEK_END), b""
        while position and data.count(b"\n") < 2:
            step = min(position, BLOCK)
            position -= step
            file.seek(position)
            data = file.read(step) + data
    whole, end, _ = data.rpartition(b"\n")
    return whole.rpartition(b"\n")[2], position + len(whole + end)


def writers_in(folder: Path) -> set[str]:
    return {path.name for path in (folder / "journals").glob("*")}


def copy_journals(folder: Path, sources: Sources, keys: Mapping[str, Keys]) -> int:
    """Of every writer that the source or the copy knows; how many records. Disagreement, NoAnswer."""
    (folder / "journals").mkdir(exist_ok=True)
    known = {item["writer"] for item in listed(sources, "/api/v1/audit/journals")}
    return sum(journal_chain(folder, writer, keys).copy(sources) for writer in sorted(known | writers_in(folder)))


# archives


def manifest_of(text: bytes) -> tuple[dict[str, Any], bytes, bytes]:
    """The manifest's body, its bytes as they were signed, and the signature."""
    body, found, signature = text.removeprefix(b'{"body":').rpartition(b',"signature":"')
    if not found or not signature.endswith(b'"}\n'):
        raise ValueError("is not a manifest")
    return json.loads(body), body, bytes.fromhex(signature[:-3].decode("ascii"))


def name_of(body: dict[str, Any]) -> str:
    return f"{body['archive']}-{body['month'][:7]}"


def files_of(body: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """Bytes and SHA-256 of an archive's files, by name. A version 1 has the rows alone."""
    entries = {FILES[what]: body[what] for what in FILES if what == "file" or what in body}
    for name, entry in entries.items():
        if entry["name"] != name:
            raise ValueError(f"it names a file {entry['name']!r}")
    return {name: (entry["bytes"], entry["sha256"]) for name, entry in entries.items()}


def listed(sources: Sources, path: str) -> Iterator[dict[str, Any]]:
    """All items of a list, page by page."""
    query: dict[str, object] = {"limit": PAGE}
    while True:
        page = sources.first(f"{path}?{urlencode(query)}", lambda answer: json.loads(answer.read()))
        yield from page["items"]
        if page["next"] is None:
            return
        query["cursor"] = page["next"]


def copy_archives(folder: Path, sources: Sources, keys: Keys) -> list[str]:
    """Fetches what the copy lacks; the names of those that no source gave. Disagreement, NoAnswer."""
    folder.mkdir(exist_ok=True)
    known: dict[str, set[str]] = {}
    for item in listed(sources, "/api/v1/archives"):
        if not NAME.fullmatch(item["name"]):
            raise Disagreement(f"the source names an archive {item['name']!r}")
        known.setdefault(item["name"], set()).add(item["root"])
    missing = []
    for name in sorted(known):
        if not (folder / name).exists():
            try:
                fetch(folder / name, known[name], sources, keys)
            except (Missing, NoAnswer) as reason:
                print(f"kojo-escrow: {name}: {reason}", file=sys.stderr)
                missing.append(name)
    for path in sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name)):
        body, _, _ = manifest_of((path / MANIFEST).read_bytes())
        if body["root"] not in known.get(path.name, ()):
            raise Disagreement(
                f"{path.name} is in the copy with the root {body['root']}, which the source doesn't know"
            )
    return missing


def fetch(folder: Path, roots: set[str], sources: Sources, keys: Keys) -> None:
    """The folder appears when all of it is on disk, and checked."""
    manifest: bytes = sources.first(f"/api/v1/archives/{folder.name}/{MANIFEST}", lambda answer: answer.read())
    try:
        body, signed, signature = manifest_of(manifest)
        key, name, root, wanted = body["key"], name_of(body), body["root"], files_of(body)
    except (ValueError, KeyError, TypeError) as error:
        raise Disagreement(f"{folder.name}: its manifest isn't one ({error})") from error
    keys.check(f"{folder.name}'s manifest", key, ARCHIVE_USE + signed, signature)
    if name != folder.name or root not in roots:
        raise Disagreement(f"{folder.name}: its manifest is that of {name} with the root {root}")
    partial = folder.with_name(f".{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for file, signed_over in wanted.items():
        source = f"/api/v1/archives/{folder.name}/{file}"
        if sources.first(source, functools.partial(save, path=partial / file)) != signed_over:
            raise Disagreement(f"{folder.name}: its {file} is not the one that its manifest was signed over")
    (partial / MANIFEST).write_bytes(manifest)
    for path in (*(partial / file for file in wanted), partial / MANIFEST, partial):
        synced(path)
    partial.rename(folder)
    synced(folder.parent)


def save(answer: http.client.HTTPResponse, path: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of what came. ValueError when the connection ended before all of it did."""
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        while block := answer.read(BLOCK):
            file.write(block)
            digest.update(block)
            size += len(block)
    if answer.length:
        raise ValueError(f"the answer ended {answer.length} bytes early")
    return size, digest.hexdigest()


def synced(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# what became of it


def whole(path: Path, content: str, mode: int) -> None:
    """Whole or not at all: others read at any moment."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
    Path(file.name).replace(path)


def status(folder: Path, what: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / f"{what}.json").read_text())
    except FileNotFoundError:
        return {"agreed_at": 0.0, "disagreement": None, "missing": 0}
    return found


def run(what: str, folder: Path, sources: Sources, trusted: Trusted) -> int:
    found = status(folder, what)
    try:
        match what:
            case "seals":
                print(f"{seal_chain(folder, trusted.seals).copy(sources)} new seals")
            case "journals":
                print(f"{copy_journals(folder, sources, trusted.journals)} new records")
            case _:
                found["missing"] = len(copy_archives(folder / what, sources, trusted.seals))
    except Disagreement as reason:
        print(f"kojo-escrow {what}: copy and source disagree: {reason}", file=sys.stderr)
        whole(folder / f"{what}.json", json.dumps(found | {"disagreement": str(reason)}), 0o600)
        return 1
    except (NoAnswer, Missing) as reason:
        print(f"kojo-escrow {what}: no source answers: {reason}", file=sys.stderr)
        return 1
    whole(folder / f"{what}.json", json.dumps(found | {"agreed_at": time.time(), "disagreement": None}), 0o600)
    return 0


def verify(folder: Path, trusted: Trusted) -> int:
    try:
        journals = [journal_chain(folder, writer, trusted.journals) for writer in sorted(writers_in(folder))]
        for chain in (seal_chain(folder, trusted.seals), *journals):
            newest = deque(chain.following(chain.lines(), None), maxlen=1)
            told = f"{newest[0].number}, whole and unaltered, up to the hash {newest[0].hash}" if newest else "none"
            print(f"{chain.folder.name}: {told}")
    except Disagreement as reason:
        print(f"kojo-escrow verify: the copy is not what was signed: {reason}", file=sys.stderr)
        return 1
    return 0


def exposition(folder: Path) -> str:
    values: dict[str, dict[str, float]] = {name: {} for name in HELP}
    for what in COPIES:
        found = status(folder, what)
        values["kojo_escrow_agreed_timestamp_seconds"][f'{{what="{what}"}}'] = found["agreed_at"]
        values["kojo_escrow_disagrees"][f'{{what="{what}"}}'] = found["disagreement"] is not None
    last = None
    with contextlib.suppress(Disagreement):  # in the copy itself: the run told of it
        last = seal_chain(folder, Keys("")).newest()
    values["kojo_escrow_newest_seal_timestamp_seconds"][""] = last.at.timestamp() if last else 0
    values["kojo_escrow_newest_seal_number"][""] = last.number if last else 0
    kept = [path for path in (folder / "archives").glob("*") if NAME.fullmatch(path.name)]
    values["kojo_escrow_archives"][""] = len(kept)
    values["kojo_escrow_archives_missing"][""] = status(folder, "archives")["missing"]
    lines = []
    for name, help_text in HELP.items():
        lines += [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]
        lines += [f"{name}{labels} {value:.0f}" for labels, value in values[name].items()]
    return "\n".join(lines) + "\n"


def tls() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=os.environ["KOJO_ESCROW_TLS_CA"])
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(os.environ["KOJO_ESCROW_TLS_CERTIFICATE"], os.environ["KOJO_ESCROW_TLS_KEY"])
    return context


def main(arguments: list[str]) -> int:
    match arguments:
        case [what, folder] if what in COPIES:
            sources = Sources(os.environ["KOJO_ESCROW_SOURCES"].split(), os.environ["KOJO_ESCROW_API_KEY"], tls())
            return run(what, Path(folder), sources, Trusted.of(Path(os.environ["KOJO_ESCROW_KEYS"])))
        case ["verify", folder, keys]:
            return verify(Path(folder), Trusted.of(Path(keys)))
        case ["metrics", folder, directory]:
            whole(Path(directory, "kojo-escrow.prom"), exposition(Path(folder)), 0o644)
            return 0
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
