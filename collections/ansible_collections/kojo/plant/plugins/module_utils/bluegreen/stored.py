# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""A JSON object in a file, whole or as it was before, also after a power cut."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def load(path: Path) -> dict[str, Any] | None:
    """None where there is no file."""
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return stored


def store(path: Path, value: dict[str, Any]) -> None:
    draft = path.with_name(f"{path.name}.new")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
