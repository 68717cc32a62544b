# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Who runs Ansible, from where, and at which commit."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

NOBODY = 2**32 - 1  # loginuid of a process that nobody's login has started
LONGEST_NAME = 200
FARTHEST = 64


def actor(extra_vars: Mapping[str, Any]) -> dict[str, Any]:
    """Who is responsible, as a record's actor: AWX's user, or the one who logged in, or the one who runs this."""
    if user := extra_vars.get("awx_user_name"):
        full = " ".join(str(extra_vars.get(f"awx_user_{part}_name", "")) for part in ("first", "last")).strip()
        return _actor("person", str(user), full or str(user))
    if "awx_job_id" in extra_vars:
        return _actor("system", "awx", "AWX")
    name = _login() or os.environ.get("SUDO_USER") or _name_of(os.geteuid())
    try:
        full = pwd.getpwnam(name).pw_gecos.split(",")[0]
    except KeyError:
        full = ""
    return _actor("person", name, full or name)


def origin(extra_vars: Mapping[str, Any]) -> dict[str, Any]:
    """Accounts and machine."""
    return {
        "user": _name_of(os.geteuid()),
        "login_user": _login(),
        "sudo_user": os.environ.get("SUDO_USER"),
        "host": socket.gethostname(),
        "ssh_client": _ssh_client(),
        "awx": {name: value for name, value in sorted(extra_vars.items()) if name.startswith("awx_")} or None,
    }


def commits(folders: Mapping[str, Path]) -> dict[str, Any]:
    """What git says of each folder, by its name in FOLDERS."""
    known = {path: _commit(path) for path in dict.fromkeys(folders.values())}
    return {name: known[path] for name, path in folders.items()}


def _commit(folder: Path) -> dict[str, Any]:
    """The commit that FOLDER's files are of, and which of them are not as it has them."""
    # whose clone it is doesn't matter here: Ansible runs what is in it anyway
    command = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-C", str(folder)]
    status = [*command, "status", "--porcelain=v2", "--branch", "--untracked-files=normal"]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        said = subprocess.run(status, env=environment, capture_output=True, text=True, timeout=20, check=True).stdout
    except subprocess.CalledProcessError as error:
        return {"commit": None, "fault": error.stderr.strip()[:LONGEST_NAME]}
    except (OSError, subprocess.SubprocessError) as error:
        return {"commit": None, "fault": str(error)[:LONGEST_NAME]}
    lines = said.splitlines()
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid")), None)
    changed = [line.split(" ", 8)[-1] if line[0] != "?" else line[2:] for line in lines if line[0] != "#"]
    return {"commit": commit, "dirty": bool(changed), "changed": changed[:20]}


def _actor(kind: str, name: str, full: str) -> dict[str, Any]:
    return {"id": name[:LONGEST_NAME], "kind": kind, "name": full[:LONGEST_NAME], "roles": []}


def _name_of(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _login() -> str | None:
    """Who logged in: the kernel keeps it through su and sudo (audit(8))."""
    with suppress(OSError, ValueError):
        number = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
        return None if number == NOBODY else _name_of(number)
    return None


def _ssh_client() -> str | None:
    """The address that the session came from; sudo takes it out of the environment, so a parent's is asked too."""
    if own := os.environ.get("SSH_CONNECTION"):
        return own.split()[0]
    for folder in _parents(os.getppid()):
        with suppress(OSError):
            for entry in (folder / "environ").read_bytes().split(b"\0"):
                if entry.startswith(b"SSH_CONNECTION="):
                    return entry.split(b"=", 1)[1].decode("ascii", "replace").split(" ")[0]
    return None


def _parents(pid: int) -> Iterable[Path]:
    for _ in range(FARTHEST):
        if pid <= 1:
            return
        folder = Path("/proc") / str(pid)
        yield folder
        try:
            # the name in brackets may hold anything
            pid = int((folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            return
