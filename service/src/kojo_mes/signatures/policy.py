"""The plant's rules of signing, as its settings give them."""

from __future__ import annotations

from kojo_mes.kit.database import ReadSession
from kojo_mes.kit.settings import SigningSettings


def policy(session: ReadSession) -> SigningSettings:
    """TypeError in a process that signs nothing."""
    settings = session.info["settings"]
    if not isinstance(settings, SigningSettings):
        raise TypeError(f"{type(settings).__name__} has no rules of signing")
    return settings
