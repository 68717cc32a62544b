# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""A line of an audit journal: one event as RFC 8785 JSON, chained to the line before and signed.

The service takes these lines in, and its kojo_mes/audit/records.py says what each part means (version 1). Neither
side imports the other: service/tests/vectors/audit.json holds both to the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

FIRST_PREVIOUS = bytes(32)
SOURCE = "journal"
SIGNED = b"kojo.audit.journal.v1\0"
BODY = ("event", "key", "sequence", "writer")
PROOF = ("previous", "hash", "signature")
LARGEST_INTEGER = 2**53 - 1  # beyond it a JSON number isn't exact (RFC 8785, 3.2.2.3): it goes as text


class Kind(StrEnum):
    """What can be wrong with a record."""

    EDITED = "edited"
    INSERTED = "inserted"
    REMOVED = "removed"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    FORGED = "forged signature"


class LineFault(ValueError):
    """A line isn't what its writer wrote."""

    def __init__(self, kind: Kind, what: str, detail: str) -> None:
        super().__init__(f"{kind}: {what}: {detail}")
        self.kind, self.what, self.detail = kind, what, detail


class KeyFault(ValueError):
    """What was given as a key isn't one. No message holds it."""


@dataclass(frozen=True)
class Line:
    """A line whose hash and signature hold."""

    writer: str
    sequence: int
    previous: bytes
    hash: bytes
    event: dict[str, Any]


class Signer:
    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key()
        self.key_id = key_id(self.public)

    @classmethod
    def of_pem(cls, text: str) -> Signer:
        """An unencrypted PEM (PKCS 8), as `openssl genpkey -algorithm ed25519` makes it."""
        try:
            key = load_pem_private_key(text.encode(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise KeyFault("it is not an unencrypted private key in PEM (PKCS 8)") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFault("it is a private key, but not an Ed25519 one")
        return cls(key)

    def sign(self, digest: bytes) -> bytes:
        return self._key.sign(SIGNED + digest)


class Keys:
    """The public keys that a verifier trusts, by their id."""

    def __init__(self, keys: Iterable[Ed25519PublicKey]) -> None:
        self._keys = {key_id(key): key for key in keys}

    @property
    def ids(self) -> list[str]:
        return sorted(self._keys)

    def fault(self, key: object, digest: bytes, signature: bytes) -> str | None:
        """What is wrong with the signature, or None."""
        known = self._keys.get(str(key))
        if known is None:
            return f"it names the key {key}, which is not among the given ones ({', '.join(self._keys) or 'none'})"
        try:
            known.verify(signature, SIGNED + digest)
        except InvalidSignature:
            return f"its signature is not one of the key {key} on it"
        return None


def public_key(text: str) -> Ed25519PublicKey:
    """A public key as PEM, or as its 32 bytes in hex."""
    try:
        key = load_pem_public_key(text.encode()) if "-----" in text else bytes.fromhex(text)
        key = Ed25519PublicKey.from_public_bytes(key) if isinstance(key, bytes) else key
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFault("a public key is to be PEM, or 32 bytes in hex") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFault("a public key is not an Ed25519 one")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """The first 8 bytes of the SHA-256 of the key's 32 bytes, in hex."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def canonical(value: object) -> bytes:
    """RFC 8785 of `plain(value)`."""
    return rfc8785.dumps(plain(value))


def plain(value: object) -> Any:
    """VALUE as JSON knows it. Ansible's results hold anything: what has no such form goes as text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -LARGEST_INTEGER <= value <= LARGEST_INTEGER else str(value)
    if isinstance(value, float):
        return float(value) if value - value == 0 else str(value)
    if isinstance(value, Mapping):
        return {storable(str(name)): plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    return storable(str(value))


def storable(text: str) -> str:
    """PostgreSQL's text holds neither NUL nor half a surrogate pair; a record never fails for them."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def now() -> str:
    """This moment as records have it: UTC, always six digits."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def chained(previous: bytes, body: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(previous + canonical(body)).digest()


def write(signer: Signer, writer: str, sequence: int, previous: bytes, event: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """A line without its end, and its hash. `event` lacks its id: it is the sequence."""
    body = {"event": {**event, "id": sequence}, "key": signer.key_id, "sequence": sequence, "writer": writer}
    digest = chained(previous, body)
    proof = {"hash": digest.hex(), "previous": previous.hex(), "signature": signer.sign(digest).hex()}
    return canonical(body | proof), digest


def read(text: bytes, keys: Keys) -> Line:
    """A line whose hash and signature hold; LineFault when they don't."""
    what = "a line"
    try:
        values = json.loads(text)
        body = {name: values[name] for name in BODY}
        what = f"record {body['sequence']} of {body['writer']}"
        previous, digest, signature = (bytes.fromhex(values[name]) for name in PROOF)
        if text != canonical(values) or values.keys() != {*BODY, *PROOF}:
            raise ValueError("it isn't canonical JSON of a journal's line")
        if body["event"]["id"] != body["sequence"] or body["event"]["source"] != SOURCE:
            raise ValueError("its event has another number or source")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise LineFault(Kind.EDITED, what, str(error) or "it is none of a journal") from error
    if chained(previous, body) != digest:
        raise LineFault(Kind.EDITED, what, "its hash is not that of what it says")
    if fault := keys.fault(body["key"], digest, signature):
        raise LineFault(Kind.FORGED, what, fault)
    return Line(body["writer"], body["sequence"], previous, digest, body["event"])
