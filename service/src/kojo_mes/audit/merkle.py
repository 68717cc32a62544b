"""Merkle tree hashes of RFC 6962, section 2.1: a leaf can't be taken for a node, nor a batch for another one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

EMPTY = hashlib.sha256().digest()
SIZE = 32


def leaf(record: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + record).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Level by level; a node without a neighbour goes up as it is. The same tree as the RFC's recursion."""
    if not leaves:
        return EMPTY
    level, sha256 = list(leaves), hashlib.sha256
    while len(level) > 1:
        above = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        if len(level) % 2:
            above.append(level[-1])
        level = above
    return level[0]


def split(leaves: bytes) -> list[bytes]:
    """Leaves that are kept as one string. ValueError when it isn't a string of whole hashes."""
    if len(leaves) % SIZE:
        raise ValueError(f"{len(leaves)} bytes are no list of hashes")
    return [leaves[start : start + SIZE] for start in range(0, len(leaves), SIZE)]


class Tree:
    """The same root as `root`, of leaves that come one after another: it keeps a hash a level."""

    def __init__(self) -> None:
        self._whole: list[tuple[int, bytes]] = []  # heights and roots of the complete trees so far

    def add(self, leaf: bytes) -> None:
        height = 0
        while self._whole and self._whole[-1][0] == height:
            leaf = hashlib.sha256(b"\x01" + self._whole.pop()[1] + leaf).digest()
            height += 1
        self._whole.append((height, leaf))

    def root(self) -> bytes:
        if not self._whole:
            return EMPTY
        *left, (_, right) = self._whole
        for _, hash_ in reversed(left):
            right = hashlib.sha256(b"\x01" + hash_ + right).digest()
        return right
