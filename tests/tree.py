"""The repository's own files, as they are now."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def versioned(*patterns: str) -> list[Path]:
    """The files and links of a clean clone, and new ones that are not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    # a file that is gone is listed until the next commit
    return [path for name in listed.split("\0") if name and ((path := ROOT / name).is_file() or path.is_symlink())]


def copied(folder: Path) -> Path:
    """FOLDER as a clean clone of the working tree, without its history."""
    for source in versioned():
        target = folder / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
    return folder
