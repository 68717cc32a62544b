"""Who runs a command of ours on a host."""

from __future__ import annotations

import getpass
import os
import socket

from kojo_mes.kit.ids import new_id
from kojo_mes.kit.security import Actor


def actor() -> Actor:
    """Whoever is logged in, also behind sudo."""
    user = os.environ.get("SUDO_USER") or getpass.getuser()
    return Actor("system", f"cli:{user}", f"{user}@{socket.gethostname()}", frozenset(), new_id())
