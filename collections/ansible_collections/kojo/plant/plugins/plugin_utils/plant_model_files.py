# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Which file of an inventory a fault is in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PAGE: Final = Path("group_vars/all/plant.yml")
SECRETS: Final = Path("group_vars/all/secrets.yml")


class InventoryFiles:
    """A plant's inventory directory, and the file that each of its hosts is in."""

    def __init__(self, directory: Path, host_files: Mapping[str, str]) -> None:
        self._directory = directory
        self._host_files = host_files
        self._keys: dict[str, Path] = {}
        # Ansible reads a host's variables after its groups', and files in the order of their names: the last one wins
        for folder in ("group_vars", "host_vars"):
            for file in sorted((directory / folder).rglob("*.y*ml")):
                text = file.read_text(encoding="utf-8", errors="replace")
                self._keys.update(dict.fromkeys(re.findall(r"^(plant_\w+)\s*:", text, re.MULTILINE), file))

    def file_of(self, key: str) -> str:
        """The file that the key of a fault is in, or belongs into."""
        name = re.split(r"[.\[]", key, maxsplit=1)[0]
        if name.startswith("plant_"):
            missing = self._directory / (SECRETS if name == "plant_secrets" else PAGE)
            return _shown(self._keys.get(name, missing))
        # a host, whose name may have dots, or a group
        hosts = [host for host in self._host_files if key == host or key.startswith(f"{host}.")]
        host = max(hosts, key=len, default=None)
        files = [self._host_files[host]] if host else sorted(set(self._host_files.values()))
        return " or ".join(_shown(Path(file)) for file in files) or _shown(self._directory)


def _shown(path: Path) -> str:
    """PATH as a user would type it."""
    real = path.resolve()
    return str(real.relative_to(Path.cwd())) if real.is_relative_to(Path.cwd()) else str(real)
