"""Which rows an archive was made of, block by block: so that a bad row is found by name in a month of millions.

blocks.jsonl.gz  a line of RFC 8785 JSON for every 1024 rows, and one for what is left:
                 {"fingerprints", "ids", "root"}: `ids` name the rows in their order, `root` is the Merkle tree hash
                 (RFC 6962, 2.1) of their lines, `fingerprints` are the first 8 bytes of each line's leaf, in hex

1024 is a power of two, so the blocks' roots are nodes of the tree over the whole month: their own tree hash is the
manifest's `root`. That proves; a fingerprint, which costs a quarter of a leaf, only tells rows apart.
"""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from kojo_mes.audit import merkle
from kojo_mes.audit.findings import LONGEST_LOOK, Finding, Kind, deviation, named
from kojo_mes.kit.canonical import canonical

BLOCKS = "blocks.jsonl.gz"
SIZE = 1024
PRINT = 8  # bytes
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)

Identify = Callable[[dict[str, Any]], str]


class Writer:
    """Takes the rows of a month one after another."""

    def __init__(self, folder: Path) -> None:
        self._file = gzip.GzipFile(folder / BLOCKS, "wb", mtime=0)
        self._ids: list[str] = []
        self._leaves: list[bytes] = []

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if error is None:
            self._flush()
        self._file.close()

    def add(self, name: str, leaf: bytes) -> None:
        self._ids.append(name)
        self._leaves.append(leaf)
        if len(self._ids) == SIZE:
            self._flush()

    def _flush(self) -> None:
        if self._ids:
            prints = b"".join(leaf[:PRINT] for leaf in self._leaves).hex()
            root = merkle.root(self._leaves).hex()
            self._file.write(canonical({"fingerprints": prints, "ids": self._ids, "root": root}) + b"\n")
            self._ids, self._leaves = [], []


class Row(NamedTuple):
    """As it was archived."""

    name: str
    fingerprint: bytes


class Block(NamedTuple):
    rows: list[Row]
    root: bytes


def of(folder: Path) -> Iterator[Block]:
    """An archive's blocks, which its manifest's checksum has proved already."""
    with gzip.open(folder / BLOCKS, "rb") as file:
        for line in file:
            values = json.loads(line)
            prints = bytes.fromhex(values["fingerprints"])
            pieces = (prints[start : start + PRINT] for start in range(0, len(prints), PRINT))
            yield Block(
                [Row(name, piece) for name, piece in zip(values["ids"], pieces, strict=True)],
                bytes.fromhex(values["root"]),
            )


def first_bad(folder: Path, path: Path, identify: Identify) -> Finding | None:
    """What is wrong with the first row of `path` that isn't as archived; None when every row is."""
    number = 0
    blocks = of(folder)
    with gzip.open(path, "rb") as file:
        for ordinal, block in enumerate(blocks, 1):
            place = f" of block {ordinal}"
            leaves: list[bytes] = []
            for position, row in enumerate(block.rows):
                number += 1
                try:
                    line = file.readline()
                except DAMAGED as error:
                    kind = Kind.TRUNCATED if isinstance(error, EOFError) else Kind.EDITED
                    return Finding(
                        kind, path, number, named(row.name), f"the file can't be unpacked from there: {error}"
                    )
                if not line.endswith(b"\n"):
                    return Finding(Kind.TRUNCATED, path, number, named(row.name), f"the file ends there{place}")
                leaf = merkle.leaf(line[:-1])
                if leaf[:PRINT] != row.fingerprint:
                    wanted = [*block.rows, *_ahead(blocks)]
                    return _deviation(path, number, wanted, position, line, file, identify, place)
                leaves.append(leaf)
            if merkle.root(leaves) != block.root:
                name = f"one of the records {block.rows[0].name} to {block.rows[-1].name}"
                return Finding(Kind.EDITED, path, None, name, f"they don't make the root{place}")
        return _surplus(path, number + 1, file, identify)


def _surplus(path: Path, number: int, file: gzip.GzipFile, identify: Identify) -> Finding | None:
    try:
        line = file.readline()
    except DAMAGED:
        return None  # after the last row: the file's checksum tells
    if not line:
        return None
    return Finding(Kind.INSERTED, path, number, named(_name(line, identify)), "it stands after the last record")


def _ahead(blocks: Iterator[Block]) -> Iterator[Row]:
    return itertools.islice((row for block in blocks for row in block.rows), LONGEST_LOOK)


def _deviation(
    path: Path,
    number: int,
    wanted: list[Row],
    position: int,
    line: bytes,
    file: gzip.GzipFile,
    identify: Identify,
    place: str,
) -> Finding:
    """`wanted`: what was archived, from the block's first row on."""
    got = _name(line, identify)
    fingerprint = merkle.leaf(line[:-1])[:PRINT]
    names = [row.name for row in wanted]
    following = [_name(other, identify) for other in _rest(file, len(wanted) + SIZE)]
    if names[-1] in following:  # both end with the same row, where the look doesn't reach the month's end
        del following[following.index(names[-1]) + 1 :]
    genuine = any(row.fingerprint == fingerprint for row in wanted)
    return deviation(path, number, names, position, got, genuine, following, place)


def _rest(file: gzip.GzipFile, most: int) -> Iterator[bytes]:
    """As far as it can be unpacked."""
    try:
        yield from itertools.islice(file, most)
    except DAMAGED:
        return


def _name(line: bytes, identify: Identify) -> str | None:
    try:
        return identify(json.loads(line))
    except (ValueError, KeyError, TypeError):
        return None
