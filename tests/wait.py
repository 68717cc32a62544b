"""What becomes true after a while is looked at until it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")


def eventually(
    look: Callable[[], Seen], wanted: Callable[[Seen], bool], seconds: float, what: str = "", *, pause: float = 0.3
) -> Seen:
    """Look until what is seen is wanted, and return it; fail with what was seen last."""
    end = time.monotonic() + seconds
    while not wanted(seen := look()):
        assert time.monotonic() < end, f"{what or 'still'}, after {seconds:g} s: {seen}"
        time.sleep(pause)
    return seen
