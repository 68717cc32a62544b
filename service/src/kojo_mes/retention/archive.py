"""An archived month in a folder, version 2.

rows.jsonl.gz   every row of the month in the order of its key, a line of RFC 8785 JSON each
blocks.jsonl.gz what tells which row is bad, if one is: retention/blocks.py
manifest.json   {"body": {"archive", "blocks", "created_at", "file", "first_id", "format", "key", "last_id", "month",
                "root", "rows"}, "signature"}: `root` is the Merkle tree hash (RFC 6962, 2.1) of the lines, without
                their ends; signature = Ed25519("kojo.archive.v1" ‖ 0x00 ‖ canonical JSON of body)

Version 1 has neither blocks.jsonl.gz nor `blocks`: it is verified too, but what was altered in it has no name.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kojo_mes.audit import merkle
from kojo_mes.audit.findings import Finding, Kind
from kojo_mes.audit.manifest import FileEntry, check_files, entry
from kojo_mes.kit.canonical import canonical, iso
from kojo_mes.kit.keys import Keys, Signer, Use
from kojo_mes.retention import blocks
from kojo_mes.retention.blocks import BLOCKS, Identify

ROWS, MANIFEST, FORMAT = "rows.jsonl.gz", "manifest.json", "kojo.archive.v2"


class Class(StrEnum):
    AUDIT = "audit"
    READINGS = "readings"


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    archive: Class
    blocks: FileEntry | None = None
    created_at: str
    file: FileEntry
    first_id: str
    format: str = Field(pattern=r"^kojo\.archive\.v[12]$")
    key: str
    last_id: str
    month: date
    root: str = Field(pattern=r"^[0-9a-f]{64}$")
    rows: int = Field(gt=0)


class Empty(Exception):
    """The month has no rows: there is nothing to archive."""


class Summary:
    """Counts rows as they go by, and hashes them."""

    def __init__(self, identify: Identify, each: Callable[[str, bytes], None] = lambda _name, _leaf: None) -> None:
        """`each` gets every row's name and the leaf of its line."""
        self._identify, self._each, self._tree = identify, each, merkle.Tree()
        self.rows, self.first_id, self.last_id = 0, "", ""

    def pass_by(self, rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
        for row in rows:
            line = canonical(row)
            leaf = merkle.leaf(line)
            self._tree.add(leaf)
            self.rows += 1
            self.last_id = self._identify(row)
            self.first_id = self.first_id or self.last_id
            self._each(self.last_id, leaf)
            yield line

    @property
    def root(self) -> str:
        return self._tree.root().hex()

    def differs(self, body: Body) -> str | None:
        """What of a manifest isn't so, or None."""
        for name in ("rows", "first_id", "last_id", "root"):
            if getattr(self, name) != getattr(body, name):
                return f"{name} is {getattr(self, name)}, the manifest says {getattr(body, name)}"
        return None


def write(
    folder: Path,
    kind: Class,
    month: date,
    rows: Iterable[dict[str, Any]],
    identify: Identify,
    signer: Signer,
) -> Body:
    """Into a new folder. Empty when there are no rows."""
    folder.mkdir(parents=True)
    with blocks.Writer(folder) as writer, gzip.GzipFile(folder / ROWS, "wb", mtime=0) as file:
        summary = Summary(identify, writer.add)
        for line in summary.pass_by(rows):
            file.write(line + b"\n")
    if not summary.rows:
        raise Empty(f"{kind} has no rows of {month:%Y-%m}")
    body = Body(
        archive=kind,
        blocks=entry(folder / BLOCKS),
        created_at=iso(datetime.now(UTC)),
        file=entry(folder / ROWS),
        first_id=summary.first_id,
        format=FORMAT,
        key=signer.key_id,
        last_id=summary.last_id,
        month=month,
        root=summary.root,
        rows=summary.rows,
    )
    data = canonical(body)
    signature = signer.sign(Use.ARCHIVE, data).hex()
    (folder / MANIFEST).write_bytes(canonical({"body": json.loads(data), "signature": signature}) + b"\n")
    return body


def read_manifest(folder: Path, keys: Keys) -> Body:
    """A manifest whose signature holds; Finding when it doesn't."""
    path = folder / MANIFEST
    try:
        values = json.loads(path.read_bytes())
        body, signature = Body.model_validate(values["body"]), bytes.fromhex(values["signature"])
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise Finding(Kind.EDITED, path, None, "the manifest", f"it isn't one ({error})") from error
    if fault := keys.fault(body.key, Use.ARCHIVE, canonical(values["body"]), signature):
        raise Finding(Kind.FORGED, path, None, "the manifest", f"edited or not ours: {fault}")
    return body


def verify(folder: Path, keys: Keys, identify: Identify) -> Body:
    """Manifest, files, count, first and last row, root. Raises Finding, about a row if it can be told, and OSError."""
    body = read_manifest(folder, keys)
    if body.blocks:
        check_files(folder / MANIFEST, [body.blocks])
    try:
        check_files(folder / MANIFEST, [body.file])
    except Finding as whole:
        named = blocks.first_bad(folder, folder / ROWS, identify) if body.blocks and whole.kind is Kind.EDITED else None
        raise named or whole from None
    summary = Summary(identify)
    for _ in summary.pass_by(lines(folder)):
        pass
    if difference := summary.differs(body):
        raise Finding(Kind.EDITED, folder / ROWS, None, f"{body.archive} of {body.month:%Y-%m}", difference)
    return body


def lines(folder: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(folder / ROWS, "rb") as file:
        for line in file:
            yield json.loads(line)
