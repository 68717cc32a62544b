"""Journals of other writers (Ansible's): each line signed and chained to the one before (form: audit/records.py)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kojo_mes.audit.findings import Kind
from kojo_mes.audit.records import FIRST_PREVIOUS
from kojo_mes.kit.canonical import canonical
from kojo_mes.kit.keys import Keys, Signer, Use


class JournalFault(ValueError):
    """A line that isn't what its writer wrote, or isn't the next."""

    def __init__(self, kind: Kind, what: str, detail: str) -> None:
        super().__init__(f"{kind}: {what}: {detail}")
        self.kind, self.what, self.detail = kind, what, detail
        self.signed_by_another = kind is Kind.FORGED


@dataclass(frozen=True)
class JournalLine:
    writer: str
    sequence: int
    previous: bytes
    hash: bytes
    event: dict[str, Any]
    text: str


def write(signer: Signer, writer: str, sequence: int, previous: bytes, event: dict[str, Any]) -> bytes:
    """A line, without its end. `event` lacks its id: it is the sequence."""
    body = {"event": {**event, "id": sequence}, "key": signer.key_id, "sequence": sequence, "writer": writer}
    digest = chained(previous, body)
    proof = {
        "hash": digest.hex(),
        "previous": previous.hex(),
        "signature": signer.sign(Use.JOURNAL, digest).hex(),
    }
    return canonical(body | proof)


def chained(previous: bytes, body: dict[str, Any]) -> bytes:
    return hashlib.sha256(previous + canonical(body)).digest()


def writer_of(line: bytes) -> str:
    """Who says to have written it: whose key it is to be held against. JournalFault when it doesn't say."""
    try:
        writer = json.loads(line)["writer"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise JournalFault(Kind.EDITED, "a line", f"it is none of a journal ({error})") from error
    if not isinstance(writer, str):
        raise JournalFault(Kind.EDITED, "a line", "its writer is no text")
    return writer


def read(line: bytes, keys: Keys) -> JournalLine:
    """One line whose hash and signature hold; JournalFault when they don't."""
    what = "a line"
    try:
        values = json.loads(line)
        body = {name: values[name] for name in ("event", "key", "sequence", "writer")}
        what = f"record {body['sequence']} of {body['writer']}"
        previous, digest, signature = (bytes.fromhex(values[name]) for name in ("previous", "hash", "signature"))
        if line != canonical(values) or values.keys() != {*body, "previous", "hash", "signature"}:
            raise ValueError("it isn't canonical JSON of a journal's line")
        if body["event"]["id"] != body["sequence"] or body["event"]["source"] != "journal":
            raise ValueError("its event has another number or source")
    except (ValueError, KeyError, TypeError) as error:
        raise JournalFault(Kind.EDITED, what, str(error)) from error
    if chained(previous, body) != digest:
        raise JournalFault(Kind.EDITED, what, "its hash is not that of what it says")
    if fault := keys.fault(body["key"], Use.JOURNAL, digest, signature):
        raise JournalFault(Kind.FORGED, what, fault)
    return JournalLine(body["writer"], body["sequence"], previous, digest, body["event"], line.decode())


def follow(line: JournalLine, sequence: int, last: bytes) -> None:
    """`sequence` and `last` are number and hash of the writer's line before (0 and zero bytes: there is none)."""
    what = f"record {line.sequence} of {line.writer}"
    if line.sequence > sequence + 1:
        missing = f"record {sequence + 1} of {line.writer}"
        raise JournalFault(Kind.REMOVED, missing, f"record {line.sequence} follows on {sequence}")
    if line.sequence <= sequence:
        raise JournalFault(Kind.REORDERED, what, f"it stands after record {sequence}")
    if line.previous != last:
        raise JournalFault(Kind.EDITED, f"record {sequence} of {line.writer}", f"{what} was written after another")


def lines(texts: Iterable[bytes], keys: Keys) -> Iterable[JournalLine]:
    """All lines of a journal from its first or a later one, checked; several writers may share a file."""
    heads: dict[str, tuple[int, bytes]] = {}
    for text in texts:
        line = read(text.rstrip(b"\n"), keys)
        if line.writer in heads or line.sequence == 1:
            follow(line, *heads.get(line.writer, (0, FIRST_PREVIOUS)))
        heads[line.writer] = line.sequence, line.hash
        yield line
