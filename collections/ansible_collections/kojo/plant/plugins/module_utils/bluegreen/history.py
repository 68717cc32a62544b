# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""What was decided on this edge, by whom and why: a line each, on disk before the answer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class History:
    """Lines are only added."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, **event: Any) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
            file.flush()
            os.fsync(file.fileno())
