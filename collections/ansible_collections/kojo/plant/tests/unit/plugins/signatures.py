"""Keys and signatures that ssh-keygen itself makes."""

from __future__ import annotations

import subprocess
from pathlib import Path


def key(folder: Path, name: str) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / name)], check=True)
    return (folder / f"{name}.pub").read_text().strip()


def sign(folder: Path, name: str, content: bytes, namespace: str) -> bytes:
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(folder / name)]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout
