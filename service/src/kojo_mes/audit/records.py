"""The audit trail's format, version 1. Every line is RFC 8785 JSON in UTF-8 and ends in LF; hashes are of the line.

event       {"action", "actor": {"id", "kind", "name", "roles"}, "at", "id", "new", "old", "reason",
             "record": {"id", "type", "version"}, "request_id", "source"}
            `at` is UTC with microseconds, `id` grows, `roles` are sorted; what isn't there is null.
            leaf = SHA-256(0x00 ‖ line)
seal line   {"leaves", "seal", "signature"}; it stands before the events that it seals, in the order of its ids.
            seal = {"events", "ids", "key", "number", "previous", "root", "sealed_at"}
            `root` is the Merkle tree hash (RFC 6962, 2.1) of `leaves`, which are the events' leaves one after another;
            `previous` is SHA-256(seal) of the seal before, 32 zero bytes for the first; numbers have no gap.
            signature = Ed25519("kojo.audit.seal.v1" ‖ 0x00 ‖ seal)
journal     {"event", "hash", "key", "previous", "sequence", "signature", "writer"}: a line of another writer (Ansible),
line        `event` as above, with `id` = `sequence` (from 1, no gap) and source "journal".
            hash = SHA-256(previous ‖ {"event", "key", "sequence", "writer"}), previous: 32 zero bytes for the first
            signature = Ed25519("kojo.audit.journal.v1" ‖ 0x00 ‖ hash)
signature   {"event", "signature"}: an electronic signature as the database holds it, and the id of the event that
line        tells of its making (null: there is none).
manifest    {"body", "signature"}: see audit/manifest.py; signature = Ed25519("kojo.audit.manifest.v1" ‖ 0x00 ‖ body)

Hashes, signatures and leaves are in hex. A key's id: the first 8 bytes of SHA-256 of its 32 bytes.
tests/vectors/audit.json has an example of each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kojo_mes.audit import merkle
from kojo_mes.kit.canonical import canonical, iso, parse
from kojo_mes.kit.keys import Signer, Use

FIRST_PREVIOUS = bytes(32)
SEAL_LINE = b'{"leaves":"'
EVENT_LINE = b'{"action":'
JOURNAL_LINE = b'{"event":{'
_SEAL, _SIGNATURE = b'","seal":', b',"signature":"'


@dataclass(frozen=True)
class Event:
    """A row of mes.audit_event. `old` and `new` are JSON texts as the database gives them."""

    id: int
    at: datetime
    xid: int
    source: str
    actor_kind: str
    actor_id: str
    actor_name: str
    actor_roles: list[str]
    action: str
    record_type: str
    record_id: str
    record_version: int | None
    old: str | None
    new: str | None
    reason: str | None
    request_id: str | None

    def values(self) -> dict[str, Any]:
        return {
            "action": self.action,
            "actor": {
                "id": self.actor_id,
                "kind": self.actor_kind,
                "name": self.actor_name,
                "roles": sorted(self.actor_roles),
            },
            "at": iso(self.at),
            "id": self.id,
            "new": None if self.new is None else parse(self.new),
            "old": None if self.old is None else parse(self.old),
            "reason": self.reason,
            "record": {"id": self.record_id, "type": self.record_type, "version": self.record_version},
            "request_id": self.request_id,
            "source": self.source,
        }

    def line(self) -> bytes:
        return canonical(self.values())


@dataclass(frozen=True)
class Seal:
    """A row of mes.audit_seal."""

    number: int
    sealed_at: datetime
    last_xid: int
    last_id: int
    events: int
    leaves: bytes
    body: str
    hash: bytes
    signature: bytes

    def line(self) -> bytes:
        leaves, signature = self.leaves.hex().encode(), self.signature.hex().encode()
        return SEAL_LINE + leaves + _SEAL + self.body.encode() + _SIGNATURE + signature + b'"}'


def seal(signer: Signer, number: int, previous: bytes, events: Sequence[Event], sealed_at: datetime) -> Seal:
    """Over events in the order of the trail, at least one."""
    leaves = [merkle.leaf(event.line()) for event in events]
    body = canonical(
        {
            "events": len(events),
            "ids": [event.id for event in events],
            "key": signer.key_id,
            "number": number,
            "previous": previous.hex(),
            "root": merkle.root(leaves).hex(),
            "sealed_at": iso(sealed_at),
        }
    )
    return Seal(
        number=number,
        sealed_at=sealed_at,
        last_xid=events[-1].xid,
        last_id=events[-1].id,
        events=len(events),
        leaves=b"".join(leaves),
        body=body.decode(),
        hash=seal_hash(body),
        signature=signer.sign(Use.SEAL, body),
    )


def seal_hash(body: bytes) -> bytes:
    """What the next seal names as `previous`."""
    return hashlib.sha256(body).digest()


def split_seal_line(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Leaves, seal, signature: the bytes that were hashed and signed, as they stand. ValueError when it isn't one."""
    head, found, rest = line.partition(_SEAL)
    body, found_too, signature = rest.rpartition(_SIGNATURE)
    if not (head.startswith(SEAL_LINE) and found and found_too and signature.endswith(b'"}')):
        raise ValueError("is not a seal's line")
    leaves = bytes.fromhex(head[len(SEAL_LINE) :].decode("ascii"))
    return leaves, body, bytes.fromhex(signature[:-2].decode("ascii"))
