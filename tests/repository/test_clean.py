"""`make clean` ends the apt cache before it removes the cache's folder, in which the cache writes to its end."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# what it does when it is asked to end is the test's own
CACHE = """#!/bin/bash
end=$((SECONDS + 60))
trap '{asked}' TERM
while [ $SECONDS -lt $end ]; do
    mkdir -p "$2/apt-cache" && echo more >> "$2/apt-cache/$RANDOM"
    sleep 0.01
done
"""


def cache(tree: Path, asked: str) -> subprocess.Popen[bytes]:
    program = tree / "apt-cacher-ng"
    program.write_text(CACHE.format(asked=asked), encoding="utf-8")
    program.chmod(0o755)
    process = subprocess.Popen([program, "-c", tree / ".lab"])
    while not (tree / ".lab/apt-cache").exists():
        assert process.poll() is None
    return process


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository in small, whose lab is none."""
    (tmp_path / "tools/lab").mkdir(parents=True)
    for name in ("clean", "lab/stop-cache"):
        shutil.copy(ROOT / "tools" / name, tmp_path / "tools" / name)
    for name in ("enter", "leave"):
        (tmp_path / "tools/lab" / name).write_text("#!/bin/sh\n", encoding="utf-8")
        (tmp_path / "tools/lab" / name).chmod(0o755)
    return tmp_path


def clean(tree: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "KOJO_PLANT"}
    return subprocess.run([tree / "tools/clean"], env=environment, capture_output=True, text=True)


def test_the_folder_goes_after_the_cache_has_ended(tree: Path) -> None:
    process = cache(tree, "end=$((SECONDS + 2))")
    try:
        assert clean(tree).stderr == ""
        assert process.wait(timeout=1) == 0, "it ended by itself"
        assert not (tree / ".lab").exists()
    finally:
        process.kill()
        process.wait()


def test_a_cache_that_does_not_listen_is_ended(tree: Path) -> None:
    process = cache(tree, "")
    try:
        assert clean(tree).returncode == 0
        assert process.wait(timeout=1) == -9
        assert not (tree / ".lab").exists()
    finally:
        process.kill()
        process.wait()


def test_another_repositorys_cache_goes_on(tree: Path) -> None:
    (tree / "elsewhere").mkdir()
    process = cache(tree / "elsewhere", "exit")
    try:
        assert clean(tree).returncode == 0
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
