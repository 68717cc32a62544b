"""Checks an export of the audit trail, line by line: it holds one seal's records in memory, however long the file."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from kojo_mes.audit import merkle
from kojo_mes.audit.findings import LONGEST_LOOK, Finding, Kind, Report, deviation, named
from kojo_mes.audit.records import SEAL_LINE, seal_hash, split_seal_line
from kojo_mes.kit.keys import Keys, Use

SIGNING = b'{"action":"signatures:sign"'


@dataclass(frozen=True)
class CheckedSeal:
    """A seal whose leaves, root and signature agree."""

    number: int
    ids: list[int]
    leaves: list[bytes]
    previous: str
    hash: bytes
    sealed_at: str


@dataclass(frozen=True)
class Published:
    """Seals that were written down off the database's hosts: what the database's own must be."""

    hashes: Mapping[int, bytes]
    sealed_at: Mapping[int, str]

    def last_until(self, moment: str | None) -> int:
        """The number of the last seal that was made by then (all, without a moment)."""
        return max((number for number, at in self.sealed_at.items() if moment is None or at <= moment), default=0)


def check_seal(path: Path, number: int, line: bytes, keys: Keys) -> CheckedSeal:
    """`number` is the line's. Raises Finding."""
    try:
        leaves, body, signature = split_seal_line(line)
        values = json.loads(body)
        seal = CheckedSeal(
            number=values["number"],
            ids=values["ids"],
            leaves=merkle.split(leaves),
            previous=values["previous"],
            hash=seal_hash(body),
            sealed_at=values["sealed_at"],
        )
        root, key = values["root"], values["key"]
    except (ValueError, KeyError, TypeError) as error:
        raise Finding(Kind.EDITED, path, number, "a seal", f"the line is not a seal's ({error})") from error
    if fault := keys.fault(key, Use.SEAL, body, signature):
        if origin := _other_with(path, number, signature):
            raise Finding(Kind.COPIED, path, number, f"seal {seal.number}", f"its signature is that of line {origin}")
        raise Finding(Kind.FORGED, path, number, f"seal {seal.number}", f"edited or not ours: {fault}")
    if len(seal.ids) != len(seal.leaves) or merkle.root(seal.leaves).hex() != root:
        raise Finding(
            Kind.EDITED, path, number, f"seal {seal.number}", "its leaves don't make the root that was signed"
        )
    return seal


def published(paths: list[Path], keys: Keys) -> Published:
    """From the sealer's files, in the order of time. Raises Finding when they don't hold together themselves."""
    hashes: dict[int, bytes] = {}
    times: dict[int, str] = {}
    last: CheckedSeal | None = None
    for path in paths:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                seal = check_seal(path, number, line.rstrip(b"\n"), keys)
                if last:
                    _continues(path, number, last, seal)
                hashes[seal.number], times[seal.number], last = seal.hash, seal.sealed_at, seal
    return Published(hashes, times)


def check_trail(
    path: Path,
    keys: Keys,
    report: Report,
    published: Published | None = None,
    on_signing: Callable[[dict[str, Any]], None] = lambda _event: None,
) -> CheckedSeal:
    """Every record of every seal, nothing else, in order. The last seal; raises Finding.

    `on_signing` gets the events that tell of electronic signatures.
    """
    last: CheckedSeal | None = None
    leaves: list[bytes] = []
    position = number = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.startswith(SEAL_LINE):
                if last and position < len(leaves):
                    raise _missing(Kind.REMOVED, path, number, last, position)
                seal = check_seal(path, number, line.rstrip(b"\n"), keys)
                if last:
                    _continues(path, number, last, seal)
                    if seal.sealed_at < last.sealed_at:
                        report.notes.append(f"seal {seal.number}: the clock went back (before: {last.sealed_at})")
                if published:
                    _as_published(path, number, seal, published)
                last, leaves, position = seal, seal.leaves, 0
                report.seals += 1
                report.events += len(leaves)
            elif position < len(leaves) and sha256(b"\0" + line[:-1]).digest() == leaves[position]:
                position += 1
                if line.startswith(SIGNING):
                    on_signing(json.loads(line))
            else:
                raise _first_bad(path, number, last, position, line, file)
    if last is None:
        raise Finding(Kind.TRUNCATED, path, None, "the file", "it has no seal")
    if position < len(leaves):
        raise _missing(Kind.TRUNCATED, path, number, last, position)
    return last


def check_selection(
    path: Path,
    keys: Keys,
    report: Report,
    wanted: Sequence[int],
    on_signing: Callable[[dict[str, Any]], None] = lambda _event: None,
) -> None:
    """Of an export that isn't the whole trail: `wanted` are the ids that its manifest names, in order."""
    seal: CheckedSeal | None = None
    position = number = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.startswith(SEAL_LINE):
                seal = check_seal(path, number, line.rstrip(b"\n"), keys)
                leaf_of = dict(zip(seal.ids, seal.leaves, strict=True))
                report.seals += 1
                continue
            got, genuine = _id(line), False
            if seal and isinstance(got, int):
                genuine = sha256(b"\0" + line[:-1]).digest() == leaf_of.get(got)
            if not genuine or position == len(wanted) or got != wanted[position]:
                following = [_id(other) for other in file if not other.startswith(SEAL_LINE)]
                raise deviation(path, number, wanted, position, got, genuine, following)
            if line.startswith(SIGNING):
                on_signing(json.loads(line))
            position += 1
            report.events += 1
    if position < len(wanted):
        missing = len(wanted) - position
        raise Finding(
            Kind.TRUNCATED, path, number or None, f"record {wanted[position]}", f"the file ends {missing} records early"
        )


def _first_bad(
    path: Path, number: int, seal: CheckedSeal | None, position: int, line: bytes, file: Iterable[bytes]
) -> Finding:
    got = _id(line)
    if seal is None:
        return Finding(Kind.INSERTED, path, number, named(got), "it stands before the first seal")
    if not line.endswith(b"\n") and position < len(seal.ids):
        return Finding(Kind.TRUNCATED, path, number, named(seal.ids[position]), "the file ends within it")
    rest = itertools.takewhile(lambda other: not other.startswith(SEAL_LINE), file)
    following = [_id(other) for other in itertools.islice(rest, LONGEST_LOOK)]
    genuine = sha256(b"\0" + line[:-1]).digest() in seal.leaves
    return deviation(path, number, seal.ids, position, got, genuine, following, f" of seal {seal.number}")


def _missing(kind: Kind, path: Path, number: int, seal: CheckedSeal, position: int) -> Finding:
    detail = f"{len(seal.ids) - position} of the {len(seal.ids)} records of seal {seal.number} are not there"
    return Finding(kind, path, number, named(seal.ids[position]), detail)


def _continues(path: Path, number: int, last: CheckedSeal, seal: CheckedSeal) -> None:
    if seal.number == last.number + 1:
        if seal.previous != last.hash.hex():
            raise Finding(Kind.EDITED, path, number, f"seal {last.number}", f"seal {seal.number} was made over another")
    elif seal.number > last.number:
        raise Finding(
            Kind.REMOVED, path, number, f"seal {last.number + 1}", f"seal {seal.number} follows on seal {last.number}"
        )
    else:
        raise Finding(Kind.REORDERED, path, number, f"seal {seal.number}", f"it stands after seal {last.number}")


def _as_published(path: Path, number: int, seal: CheckedSeal, published: Published) -> None:
    if published.hashes.get(seal.number, seal.hash) != seal.hash:
        detail = "it differs from the one that was written down off the database's hosts"
        raise Finding(Kind.EDITED, path, number, f"seal {seal.number}", detail)


def _other_with(path: Path, number: int, signature: bytes) -> int | None:
    """The line of another seal that has the same signature."""
    end = f'"{signature.hex()}"}}'.encode()
    with path.open("rb") as file:
        for other, line in enumerate(file, 1):
            if other != number and line.startswith(SEAL_LINE) and line.rstrip(b"\n").endswith(end):
                return other
    return None


def _id(line: bytes) -> object:
    try:
        return json.loads(line)["id"]
    except (ValueError, KeyError, TypeError):
        return None
