# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Detached SSH signatures (OpenSSH's PROTOCOL.sshsig), as `ssh-keygen -Y sign` makes them with anybody's own key.

A signature holds for one namespace, so what was signed as one thing never passes for another.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

LONGEST = 10.0  # seconds for one call of ssh-keygen


class Unverified(Exception):
    """Nobody who may has signed this, and why it is thought so."""


def signer_of(content: bytes, signature: bytes, namespace: str, signers: Mapping[str, str]) -> str:
    """Return whose signature this is, of SIGNERS (name: public key in one line, as OpenSSH writes it)."""
    with tempfile.TemporaryDirectory() as folder:
        allowed, proof = Path(folder, "allowed_signers"), Path(folder, "signature")
        # one principal a key: ssh-keygen then tells which of them it was
        lines = [f'{number} namespaces="{namespace}" {key}\n' for number, key in enumerate(signers.values())]
        allowed.write_text("".join(lines), encoding="utf-8")
        proof.write_bytes(signature)
        found = _ssh_keygen(b"", "find-principals", "-s", proof, "-f", allowed)
        if found.returncode:
            raise Unverified(f"it is by none of {', '.join(signers) or 'nobody'}, or no SSH signature: {_words(found)}")
        principal = found.stdout.decode().split()[0]
        checked = _ssh_keygen(content, "verify", "-n", namespace, "-s", proof, "-f", allowed, "-I", principal)
        if checked.returncode:
            raise Unverified(f"the signature doesn't fit the content as a {namespace}: {_words(checked)}")
    return list(signers)[int(principal)]


def _ssh_keygen(content: bytes, verb: str, *options: str | Path) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["ssh-keygen", "-Y", verb, *options], input=content, capture_output=True, timeout=LONGEST, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unverified(f"ssh-keygen (package openssh-client) did not answer: {error}") from error


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join((done.stderr or done.stdout).decode(errors="replace").split())
