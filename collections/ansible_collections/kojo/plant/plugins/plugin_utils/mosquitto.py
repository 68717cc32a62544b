# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Passwords of MQTT accounts, the same at every run."""

from __future__ import annotations

import base64
import hashlib
import hmac

# mosquitto_passwd's own lengths
SALT_BYTES = 12
HASH_BYTES = 64


def device_password(seed: str, device: str) -> str:
    """The password of a device: from the plant's seed, so that it needn't be kept anywhere."""
    if not seed or not device:
        raise ValueError("a device's password needs plant_secrets.mosquitto_device_password_seed and the device's id")
    digest = hmac.digest(seed.encode(), f"mqtt device {device}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def encoded(password: str, salt: bytes, iterations: int) -> str:
    """A line's second half in mosquitto's password file: $7$, PBKDF2 with SHA-512."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations, HASH_BYTES)
    return f"$7${iterations}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def password_hash(password: str, account: str, iterations: int) -> str:
    """The hash with a salt that account and password decide; a random one would change the file at every run."""
    if not password or not account:
        raise ValueError("a password's hash needs a password and an account")
    if iterations < 1:
        raise ValueError(f"iterations is {iterations}; give 1 or more")
    salt = hmac.digest(password.encode(), f"mqtt salt {account}".encode(), "sha512")[:SALT_BYTES]
    return encoded(password, salt, iterations)
