"""Whoever alters an archived month is found, and the row is named: among many blocks, whatever was done to it."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from test_audit_seals import by_recursion

from kojo_mes.audit import merkle
from kojo_mes.audit.findings import Finding
from kojo_mes.kit.canonical import canonical
from kojo_mes.kit.keys import Signer, Use
from kojo_mes.retention import archive, blocks
from kojo_mes.retention.archive import Class

ROWS = 2500  # two whole blocks and a part
SIGNER = Signer(Ed25519PrivateKey.generate())
JANUARY = date(2019, 1, 1)
Lines = list[bytes]


def identify(row: dict[str, Any]) -> str:
    return f"{row['sensor']}/{row['n']}"


def row(number: int, **other: Any) -> dict[str, Any]:
    return {"n": number, "sensor": 7, "value": number / 4, **other}


def line(number: int, **other: Any) -> bytes:
    return canonical(row(number, **other)) + b"\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    archive.write(tmp_path / "a", Class.READINGS, JANUARY, map(row, range(1, ROWS + 1)), identify, SIGNER)
    return tmp_path / "a"


def verified(folder: Path) -> archive.Body:
    return archive.verify(folder, SIGNER.keys(), identify)


def rewrite(folder: Path, change: Callable[[Lines], Iterator[bytes] | Lines | None]) -> None:
    path = folder / "rows.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    changed = change(lines)
    path.write_bytes(gzip.compress(b"".join(lines if changed is None else changed)))


def edit(lines: Lines) -> None:
    lines[1100] = line(1101, value=0.5)


def edit_its_number(lines: Lines) -> None:
    lines[1100] = line(99999)


def spoil(lines: Lines) -> None:
    lines[1100] = b"no record\n"


def insert(lines: Lines) -> None:
    lines.insert(1100, line(99999))


def repeat(lines: Lines) -> None:
    lines.insert(1100, lines[5])


def append(lines: Lines) -> None:
    lines.append(line(ROWS + 1))


def delete(lines: Lines) -> None:
    del lines[1100]


def delete_the_first(lines: Lines) -> None:
    del lines[0]


def swap(lines: Lines) -> None:
    lines[1100], lines[1101] = lines[1101], lines[1100]


def move_into_an_earlier_block(lines: Lines) -> None:
    lines.insert(3, lines.pop(2400))


def cut(lines: Lines) -> None:
    del lines[1100:]


def cut_a_block(lines: Lines) -> None:
    del lines[1024:]


def cut_within_a_line(lines: Lines) -> None:
    lines[-1] = lines[-1][:-4]


def empty(lines: Lines) -> None:
    lines.clear()


@pytest.mark.parametrize(
    ("change", "number", "told"),
    [
        (edit, 1101, "edited: record 7/1101"),
        (edit_its_number, 1101, "edited: record 7/1101"),
        (spoil, 1101, "edited: record 7/1101"),
        (insert, 1101, "inserted: record 7/99999"),
        (repeat, 1101, "inserted: record 7/6"),
        (append, ROWS + 1, f"inserted: record 7/{ROWS + 1}"),
        (delete, 1101, "removed: record 7/1101"),
        (delete_the_first, 1, "removed: record 7/1"),
        (swap, 1101, "reordered: record 7/1102"),
        (move_into_an_earlier_block, 4, "reordered: record 7/2401"),
        (cut, 1101, "truncated: record 7/1101"),
        (cut_a_block, 1025, "truncated: record 7/1025"),
        (cut_within_a_line, ROWS, f"truncated: record 7/{ROWS}"),
        (empty, 1, "truncated: record 7/1"),
    ],
)
def test_the_row_is_named(folder: Path, change: Callable[[Lines], None], number: int, told: str) -> None:
    assert verified(folder).rows == ROWS
    rewrite(folder, change)
    with pytest.raises(Finding) as found:
        verified(folder)
    assert str(found.value).startswith(f"{folder}/rows.jsonl.gz:{number}: {told}: ")


def test_further_ahead_than_it_looks_a_new_number_is_not_taken_for_a_new_row(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LONGEST_LOOK", 10)
    rewrite(folder, lambda lines: [*lines[:5], line(99999), *lines[6:]])
    with pytest.raises(Finding, match="edited: record 7/6:"):
        verified(folder)
    rewrite(folder, lambda lines: [*lines[:5], line(99999), line(6), *lines[6:]])
    with pytest.raises(Finding, match="inserted: record 7/99999:"):
        verified(folder)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_that_ends_early_names_the_first_row_that_is_lost(folder: Path, share: float) -> None:
    path = folder / "rows.jsonl.gz"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(Finding, match=r"rows\.jsonl\.gz:\d+: truncated: record 7/\d+"):
        verified(folder)


def test_a_file_that_was_only_packed_anew_is_told_of_without_a_row(folder: Path) -> None:
    path = folder / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1))
    with pytest.raises(Finding, match="edited: the file: it is not the one"):
        verified(folder)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Finding, match="edited: the file: it is not the one"):
        verified(folder)


def test_a_row_that_only_looks_like_its_fingerprint_is_found_in_its_block(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can make such a row: here a block tells the edited row's own fingerprint."""
    rewrite(folder, edit)
    forged = merkle.leaf(line(1101, value=0.5)[:-1])[: blocks.PRINT]
    genuine = list(blocks.of(folder))
    genuine[1].rows[1101 - 1025] = blocks.Row("7/1101", forged)
    monkeypatch.setattr(blocks, "of", lambda _folder: iter(genuine))
    with pytest.raises(Finding, match="edited: one of the records 7/1025 to 7/2048:"):
        verified(folder)


def test_the_blocks_are_nodes_of_the_months_tree(folder: Path) -> None:
    lines = gzip.decompress((folder / "rows.jsonl.gz").read_bytes()).splitlines()
    leaves = [hashlib.sha256(b"\0" + text).digest() for text in lines]
    found = [json.loads(text) for text in gzip.decompress((folder / "blocks.jsonl.gz").read_bytes()).splitlines()]
    assert [len(block["ids"]) for block in found] == [1024, 1024, 452]
    for start, block in zip((0, 1024, 2048), found, strict=True):
        own = leaves[start : start + 1024]
        assert block["root"] == by_recursion(own).hex()
        assert block["fingerprints"] == "".join(leaf.hex()[:16] for leaf in own)
        assert block["ids"] == [f"7/{number}" for number in range(start + 1, start + 1 + len(own))]
    assert merkle.root([bytes.fromhex(block["root"]) for block in found]).hex() == verified(folder).root


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(gzip.compress(b"{}\n"))])
def test_blocks_that_are_not_the_archives_own_accuse_no_row(folder: Path, spoil: Callable[[Path], object]) -> None:
    rewrite(folder, edit)
    spoil(folder / "blocks.jsonl.gz")
    with pytest.raises(Finding, match=r"blocks\.jsonl\.gz: (removed|edited): the file"):
        verified(folder)


def test_an_archive_of_the_first_version_is_verified_as_it_was(folder: Path) -> None:
    (folder / "blocks.jsonl.gz").unlink()
    body = json.loads((folder / "manifest.json").read_bytes())["body"] | {"format": "kojo.archive.v1"}
    del body["blocks"]
    signature = SIGNER.sign(Use.ARCHIVE, canonical(body)).hex()
    (folder / "manifest.json").write_bytes(canonical({"body": body, "signature": signature}) + b"\n")
    assert verified(folder).rows == ROWS
    rewrite(folder, edit)
    with pytest.raises(Finding, match="edited: the file: it is not the one"):
        verified(folder)
