"""Signed releases of this commit with one thing more, made by `make release`'s own program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.plant.inventory import ROOT

GIT = ["git", "-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]


@dataclass(frozen=True)
class Made:
    """A release: its folder as `kojo_mes_wheelhouse` takes it, its name, and what a change is bound to."""

    folder: Path
    name: str
    digest: str


class Releaser:
    """Who may release, in a clone of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._clone = folder / "clone"
        self._key = folder / "release-key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._key], check=True)
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", ROOT, self._clone], check=True)
        # the programs that read a release's migrations; a link is no file of the tree
        (self._clone / ".venv-service").symlink_to(ROOT / ".venv-service")
        (self._clone / ".git/info/exclude").write_text(".venv-service\n", encoding="utf-8")
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=self._clone, check=True, capture_output=True, text=True)
        self._commit = head.stdout.strip()

    @property
    def public_key(self) -> str:
        return self._key.with_suffix(".pub").read_text(encoding="utf-8").strip()

    def make(self, version: str, edits: Mapping[str, tuple[str, str]] | None = None) -> Made:
        """The service as VERSION; EDITS: file in the service's folder to what is replaced by what, in a new file
        nothing."""
        wanted = {"pyproject.toml": ('version = "', f'version = "{version}" # ')} | dict(edits or {})
        subprocess.run(["git", "checkout", "-q", "-f", self._commit], cwd=self._clone, check=True)
        for name, (old, new) in wanted.items():
            file = self._clone / "service" / name
            text = file.read_text(encoding="utf-8") if old else ""
            assert old in text, f"{name} has no {old!r}"
            file.write_text(text.replace(old, new, 1), encoding="utf-8")
        subprocess.run(["git", "add", "service"], cwd=self._clone, check=True)
        subprocess.run([*GIT, "commit", "-qam", version], cwd=self._clone, check=True)
        output = self._folder / version
        command = [sys.executable, "-m", "tools.release", "--repository", str(self._clone), "--output", str(output)]
        environment = os.environ | {"RELEASE_KEY": str(self._key)}
        made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stdout + made.stderr
        manifest = json.loads((output / "release.json").read_text(encoding="utf-8"))
        return Made(output, manifest["release"], manifest["artefact_digest"])
