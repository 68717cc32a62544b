"""The page that goes with an export: what was asked for, what is in it, signed.

    {"body": {"complete", "created_at", "created_by", "events", "files": [{"bytes", "name", "sha256"}], "first_seal",
              "format", "ids", "key", "last_seal", "selection", "until"}, "signature"}

`complete`: every event of every seal from `first_seal` to `last_seal`, and no seal made by `until` is later than
`last_seal`. Otherwise `ids` are the events that were selected, in order.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from kojo_mes.audit.findings import Finding, Kind
from kojo_mes.kit.canonical import canonical
from kojo_mes.kit.keys import Keys, Signer, Use

FORMAT = "kojo.audit.export.v1"
NAME = "manifest.json"
BLOCK = 1024 * 1024


class FileEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    bytes: int
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    complete: bool
    created_at: str
    created_by: dict[str, JsonValue]
    events: int
    files: list[FileEntry]
    first_seal: int | None
    format: str = Field(pattern=r"^kojo\.audit\.(export|archive)\.v1$")
    ids: list[int] | None
    key: str
    last_seal: int | None
    selection: dict[str, JsonValue]
    until: str


def entry(path: Path) -> FileEntry:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
    return FileEntry(name=path.name, bytes=size, sha256=digest.hexdigest())


def signed(body: Body, signer: Signer) -> bytes:
    """The manifest's file."""
    values: dict[str, Any] = body.model_dump()
    signature = signer.sign(Use.MANIFEST, canonical(values))
    return canonical({"body": values, "signature": signature.hex()}) + b"\n"


def read(path: Path, keys: Keys) -> Body:
    """A manifest whose signature holds; Finding when it doesn't."""
    try:
        values = json.loads(path.read_bytes())
        body, signature = Body.model_validate(values["body"]), bytes.fromhex(values["signature"])
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise Finding(Kind.EDITED, path, None, "the manifest", f"it isn't one ({error})") from error
    if fault := keys.fault(body.key, Use.MANIFEST, canonical(values["body"]), signature):
        raise Finding(Kind.FORGED, path, None, "the manifest", f"edited or not ours: {fault}")
    return body


def check_files(path: Path, files: Sequence[FileEntry]) -> None:
    """Every file that the manifest names is beside it, byte for byte."""
    for wanted in files:
        file = path.parent / wanted.name
        if not file.is_file():
            raise Finding(Kind.REMOVED, file, None, "the file", f"{path.name} names it, and it is not there")
        if entry(file) != wanted:
            raise Finding(Kind.EDITED, file, None, "the file", f"it is not the one that {path.name} was signed over")
