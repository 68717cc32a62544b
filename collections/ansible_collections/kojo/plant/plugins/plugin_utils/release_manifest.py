# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""What a release is: its manifest lies beside its archive, and who released it has signed it (docs/blue-green.md)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

from ansible_collections.kojo.plant.plugins.plugin_utils.journal_format import canonical
from ansible_collections.kojo.plant.plugins.plugin_utils.ssh_signature import Unverified, signer_of

NAMESPACE: Final = "kojo-release"
FORMAT: Final = "kojo-release/1"
MANIFEST: Final = "release.json"
SIGNATURE: Final = f"{MANIFEST}.sig"
REVISION: Final = r"\d{4}"
FORMS: Final = {
    "format": re.escape(FORMAT),
    "release": r"[0-9A-Za-z.+_-]+",
    "version": r"[0-9A-Za-z.+_-]+",
    "commit": r"[0-9a-f]{40}",
    "archive": r"kojo-mes-[0-9A-Za-z.+_-]+\.tar",
    "artefact_digest": r"[0-9a-f]{64}",
    "built_at": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "python": r"\d+\.\d+",
    "machine": r"\w+",
}


class ReleaseFault(Exception):
    """What is in a folder is no release that may be deployed: which file, what is wrong, and what to do."""


@dataclass(frozen=True)
class SchemaRange:
    """MIN: the oldest revision that the release runs on. MAX: the newest that it knows."""

    min: str
    max: str


@dataclass(frozen=True)
class LiveSchema:
    """As `kojo-mes schema --live` tells it: its revision (None: none yet), and the newest that a release must know."""

    revision: str | None
    needs: str | None


@dataclass(frozen=True)
class Release:
    """ARTEFACT_DIGEST is the SHA-256 of ARCHIVE, in hex: what a change request is bound to. COMMIT is git's."""

    release: str
    version: str
    commit: str
    clean: bool
    archive: str
    artefact_digest: str
    schema: SchemaRange
    built_at: str
    python: str
    machine: str
    format: str = FORMAT

    def encode(self) -> bytes:
        """RFC 8785 JSON: what is signed."""
        return canonical(asdict(self))

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """ReleaseFault when this isn't a manifest of this format, or not one of a clean tree."""
        try:
            said = json.loads(content)
        except ValueError as error:
            raise ReleaseFault(f"it is not JSON ({error})") from error
        if not isinstance(said, dict) or said.get("format") != FORMAT:
            raise ReleaseFault(f"it is not of the format {FORMAT}: make the release with this Kojo's `make release`")
        _same_keys("", said, {field.name for field in fields(cls)})
        for name, form in FORMS.items():
            _matches(name, form, said[name])
        schema = said["schema"]
        if not isinstance(schema, dict):
            raise ReleaseFault("schema is not a dictionary of min and max")
        _same_keys("schema.", schema, {"min", "max"})
        for name in ("min", "max"):
            _matches(f"schema.{name}", REVISION, schema[name])
        if said["clean"] is not True:
            raise ReleaseFault("it was not built from a clean tree, so its commit doesn't say what is in it")
        return cls(**said | {"schema": SchemaRange(**schema)})


def read_release(folder: Path, signers: Mapping[str, str]) -> tuple[Release, str]:
    """The release in FOLDER and who signed it, of SIGNERS (name: public key, as plant_release_signers has them)."""
    manifest = folder / MANIFEST
    content = _bytes(manifest, "run `make release`")
    signature = _bytes(folder / SIGNATURE, "the release is not signed: run `make release`")
    try:
        signer = signer_of(content, signature, NAMESPACE, signers)
    except Unverified as error:
        raise ReleaseFault(f"{manifest}: {error}. Who may release is in plant_release_signers") from error
    try:
        release = Release.decode(content)
    except ReleaseFault as error:
        raise ReleaseFault(f"{manifest}: {error}") from error
    archive = folder / release.archive
    digest = _digest(archive)
    if digest != release.artefact_digest:
        raise ReleaseFault(
            f"{archive}: its SHA-256 is {digest}, and the release that {signer} signed has {release.artefact_digest}: "
            "it is another archive, run `make release` again"
        )
    return release, signer


def misfit(name: str, schema: SchemaRange, live: LiveSchema) -> str | None:
    """Why the release NAME doesn't run on the schema LIVE, and what to do; None when it does."""
    if (live.revision or "") < schema.min:
        return (
            f"release {name} needs schema {schema.min}, and the database has {live.revision or 'none'}: "
            "run the release's migrations first (kojo-mes migrate --to expand)"
        )
    if (live.needs or "") > schema.max:
        return (
            f"release {name} knows the schema up to {schema.max}, and the database ({live.revision}) no longer has "
            f"what releases before {live.needs} use: take one that knows {live.needs} or later"
        )
    return None


def _same_keys(where: str, said: Mapping[str, Any], wanted: set[str]) -> None:
    for name in sorted(said.keys() ^ wanted):
        raise ReleaseFault(f"{where}{name} is {'missing' if name in wanted else 'an unknown key'}")


def _matches(name: str, form: str, value: object) -> None:
    if not isinstance(value, str) or not re.fullmatch(form, value, re.ASCII):
        raise ReleaseFault(f"{name} is {value!r}, which is not of the form {form}")


def _bytes(path: Path, remedy: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReleaseFault(f"{path}: {error.strerror}; {remedy}") from error


def _digest(archive: Path) -> str:
    try:
        with archive.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ReleaseFault(f"{archive}: {error.strerror}; run `make release` again") from error
