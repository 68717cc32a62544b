"""What a folder with a release in it may look like, and what is refused; signed by ssh-keygen itself."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils.release_manifest import (
    LiveSchema,
    Release,
    ReleaseFault,
    SchemaRange,
    misfit,
    read_release,
)
from ansible_collections.kojo.plant.tests.unit.plugins.signatures import key, sign

ARCHIVE = b"wheels\n" * 1000
RELEASE = Release(
    release="1.2.3+0123456789ab",
    version="1.2.3",
    commit="a" * 40,
    clean=True,
    archive="kojo-mes-1.2.3+0123456789ab.tar",
    artefact_digest=hashlib.sha256(ARCHIVE).hexdigest(),
    schema=SchemaRange("0026", "0027"),
    built_at="2026-11-23T18:00:00.123456Z",
    python="3.13",
    machine="x86_64",
)


class Folder:
    """A release that aiko signed; mallory has a key too, but is nobody."""

    def __init__(self, path: Path) -> None:
        self.path, self._keys = path / "wheelhouse", path
        self.path.mkdir()
        self.signers = {"ken": key(path, "ken"), "aiko": key(path, "aiko")}
        key(path, "mallory")
        self.archive = self.path / RELEASE.archive
        self.archive.write_bytes(ARCHIVE)
        self.write(json.loads(RELEASE.encode()))

    def write(self, said: object, signer: str = "aiko", namespace: str = "kojo-release") -> None:
        content = said if isinstance(said, bytes) else json.dumps(said).encode()
        (self.path / "release.json").write_bytes(content)
        (self.path / "release.json.sig").write_bytes(sign(self._keys, signer, content, namespace))

    def said(self) -> dict[str, Any]:
        said = json.loads((self.path / "release.json").read_bytes())
        assert isinstance(said, dict)
        return said


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_release_and_its_signer(folder: Folder) -> None:
    assert read_release(folder.path, folder.signers) == (RELEASE, "aiko")


def test_the_manifest_is_canonical_json() -> None:
    said = json.loads(RELEASE.encode())
    assert said["schema"] == {"min": "0026", "max": "0027"}
    assert RELEASE.encode() == json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def test_a_missing_signature(folder: Folder) -> None:
    (folder.path / "release.json.sig").unlink()
    with pytest.raises(ReleaseFault, match=r"release\.json\.sig: No such file.*is not signed"):
        read_release(folder.path, folder.signers)


def test_no_release_at_all(tmp_path: Path) -> None:
    with pytest.raises(ReleaseFault, match=r"release\.json: No such file.*run `make release`"):
        read_release(tmp_path, {})


def test_a_strangers_signature(folder: Folder) -> None:
    folder.write(folder.said(), signer="mallory")
    with pytest.raises(ReleaseFault, match=r"by none of ken, aiko.*plant_release_signers"):
        read_release(folder.path, folder.signers)


def test_a_signature_of_something_else(folder: Folder) -> None:
    folder.write(folder.said(), namespace="git")
    with pytest.raises(ReleaseFault, match=r"doesn't fit the content as a kojo-release|by none of"):
        read_release(folder.path, folder.signers)


def test_an_edited_manifest(folder: Folder) -> None:
    manifest = folder.path / "release.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"0026"', b'"0001"'))
    with pytest.raises(ReleaseFault, match=r"release\.json: the signature doesn't fit the content"):
        read_release(folder.path, folder.signers)


def test_another_archive(folder: Folder) -> None:
    folder.archive.write_bytes(ARCHIVE[:-1])
    other = hashlib.sha256(ARCHIVE[:-1]).hexdigest()
    says = rf"\.tar: its SHA-256 is {other}, and the release that aiko signed has {RELEASE.artefact_digest}"
    with pytest.raises(ReleaseFault, match=says):
        read_release(folder.path, folder.signers)


def test_a_missing_archive(folder: Folder) -> None:
    folder.archive.unlink()
    with pytest.raises(ReleaseFault, match=r"\.tar: No such file"):
        read_release(folder.path, folder.signers)


def without(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda said: {key: value for key, value in said.items() if key != name}


def given(**changes: object) -> Callable[[dict[str, Any]], object]:
    return lambda said: said | changes


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (given(clean=False), "not built from a clean tree"),
        (given(clean="yes"), "not built from a clean tree"),
        (given(format="kojo-release/2"), "not of the format kojo-release/1"),
        (without("format"), "not of the format"),
        (without("commit"), "commit is missing"),
        (given(notes=""), "notes is an unknown key"),
        (given(commit="main"), "commit is 'main'"),
        (given(archive="../kojo-mes-1.tar"), r"archive is '\.\./"),
        (given(artefact_digest=7), "artefact_digest is 7"),
        (given(built_at="yesterday"), "built_at is"),
        (given(schema="0025"), "schema is not a dictionary"),
        (given(schema={"min": "0025"}), r"schema\.max is missing"),
        (given(schema={"min": "0025", "max": "head"}), r"schema\.max is 'head'"),
        (lambda _: [], "not of the format"),
        (lambda _: b"{", "not JSON"),
        (lambda _: b"\xff", "not JSON"),
    ],
)
def test_a_signed_manifest_that_is_none(folder: Folder, change: Callable[[dict[str, Any]], object], says: str) -> None:
    folder.write(change(folder.said()))
    with pytest.raises(ReleaseFault, match=rf"release\.json: .*{says}"):
        read_release(folder.path, folder.signers)


@pytest.mark.parametrize(
    ("schema", "live", "says"),
    [
        (("0025", "0025"), ("0025", None), None),
        (("0026", "0027"), ("0026", None), None),
        (("0026", "0027"), ("0027", "0026"), None),
        (("0025", "0026"), ("0027", "0026"), None),
        (("0025", "0025"), ("0031", None), None),
        (("0026", "0026"), ("0025", None), r"needs schema 0026, and the database has 0025: .*--to expand"),
        (("0025", "0025"), (None, None), "the database has none"),
        (("0025", "0025"), ("0027", "0026"), r"up to 0025, and the database \(0027\).* before 0026 use: take one"),
    ],
    ids=str,
)
def test_who_fits(schema: tuple[str, str], live: tuple[str | None, str | None], says: str | None) -> None:
    reason = misfit("1.2.3", SchemaRange(*schema), LiveSchema(*live))
    assert (reason is None) == (says is None)
    assert re.search(says or "", reason or "")
