"""Ed25519 keys (RFC 8032): one signs seals and manifests, journals have their own. Each use has its own prefix."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key


class Use(Enum):
    """What stands before the signed bytes, so that a signature can't be carried from one use to another."""

    SEAL = b"kojo.audit.seal.v1\0"
    MANIFEST = b"kojo.audit.manifest.v1\0"
    JOURNAL = b"kojo.audit.journal.v1\0"
    ARCHIVE = b"kojo.archive.v1\0"


class KeyFault(ValueError):
    """A key file isn't one."""


def key_id(key: Ed25519PublicKey) -> str:
    """The first 8 bytes of the SHA-256 of the key's 32 raw bytes, in hex."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


class Signer:
    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.key_id = key_id(key.public_key())

    @classmethod
    def of_file(cls, path: Path) -> Signer:
        """An unencrypted PEM file (PKCS 8), as `openssl genpkey -algorithm ed25519` makes it."""
        try:
            key = load_pem_private_key(path.read_bytes(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm, OSError) as error:
            raise KeyFault(f"{path} is not a private key in PEM: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyFault(f"{path} is not an Ed25519 key")
        return cls(key)

    def keys(self) -> Keys:
        """What verifies the signatures made here."""
        return Keys([self._key.public_key()])

    def sign(self, use: Use, data: bytes) -> bytes:
        return self._key.sign(use.value + data)


class Keys:
    """The public keys that a verifier trusts, by their id."""

    def __init__(self, keys: Iterable[Ed25519PublicKey] = ()) -> None:
        self._keys = {key_id(key): key for key in keys}

    @classmethod
    def of_files(cls, paths: Iterable[Path]) -> Keys:
        """PEM files, as `openssl pkey -pubout` makes them."""
        return cls(public_key(path) for path in paths)

    @classmethod
    def of_hex(cls, raw: str) -> Keys:
        """One key, its 32 bytes in hex."""
        return cls([Ed25519PublicKey.from_public_bytes(bytes.fromhex(raw))])

    def fault(self, key: str, use: Use, data: bytes, signature: bytes) -> str | None:
        """What is wrong with the signature, or None."""
        known = self._keys.get(key)
        if known is None:
            return f"it names the key {key}, which is not among the given ones ({', '.join(self._keys) or 'none'})"
        try:
            known.verify(signature, use.value + data)
        except InvalidSignature:
            return f"its signature is not one of the key {key} on it"
        return None


def public_key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (ValueError, UnsupportedAlgorithm, OSError) as error:
        raise KeyFault(f"{path} is not a public key in PEM: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFault(f"{path} is not an Ed25519 key")
    return key
