"""Identifiers that sort by the time of their making (UUID version 7, RFC 9562 clause 5.7)."""

from __future__ import annotations

import secrets
import time
import uuid


def new_id() -> str:
    """48 bits of Unix milliseconds, then the version, the variant, and 74 random bits."""
    random = secrets.randbits(74)
    value = time.time_ns() // 1_000_000 << 80 | 0x7 << 76 | (random >> 62) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    return str(uuid.UUID(int=value))
