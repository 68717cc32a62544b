# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""One nftables table of a host, and the timer that takes a change of it back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Run = Callable[..., tuple[int, str, str]]

# A real load into an empty network namespace: the kernel itself judges the rules and lists them in its own words,
# and a neighbour table shows whether they touch more than their own.
SCRATCH = """set -e
"$1" add table ip neighbour
"$1" -f -
"$1" list tables
echo
"$1" -s list table "$2" "$3"
"""


class NftablesError(Exception):
    """What the user is told."""


@dataclass(frozen=True)
class Table:
    """One table; the others of the host are never touched."""

    run: Run
    nft: str
    family: str
    name: str

    def __str__(self) -> str:
        return f"table {self.family} {self.name}"

    def replaced_by(self, content: str) -> str:
        """A script that puts CONTENT in the table's place in one transaction, whether or not there is one."""
        return f"{self}\ndelete {self}\n{content}"

    def listing(self) -> str | None:
        """The live table in the kernel's words, without counters; none if there is none."""
        rc, out, err = self.run([self.nft, "-s", "list", "table", self.family, self.name])
        if rc and "No such file or directory" in err:
            return None
        if rc:
            raise NftablesError(f"nft can't list {self}: {err.strip()}")
        return out

    def listing_of(self, script: str) -> str:
        """How the kernel would list the table that SCRIPT makes; an error if it makes none, or touches another."""
        arguments = ["unshare", "--net", "sh", "-c", SCRATCH, "sh", self.nft, self.family, self.name]
        rc, out, err = self.run(arguments, data=script)
        if rc:
            raise NftablesError(f"nft refuses the rules of {self}: {err.strip()}")
        tables, listing = out.split("\n\n", 1)
        if set(tables.splitlines()) != {"table ip neighbour", str(self)}:
            raise NftablesError(f"The rules may change {self} and nothing else; after them there is: {tables!r}")
        return listing

    def load(self, script: str) -> None:
        rc, _out, err = self.run([self.nft, "-f", "-"], data=script)
        if rc:
            raise NftablesError(f"nft can't load {self}: {err.strip()}")


@dataclass(frozen=True)
class Rollback:
    """A transient systemd timer that loads the table as it was, unless it is disarmed before."""

    run: Run
    nft: str
    unit: str
    script: Path

    def armed(self) -> bool:
        return self.run(["systemctl", "is-active", "--quiet", f"{self.unit}.timer"])[0] == 0

    def arm(self, seconds: int) -> None:
        rc, _out, err = self.run(
            [
                "systemd-run",
                "--collect",
                "--quiet",
                f"--unit={self.unit}",
                "--description=Kojo: the former packet filter, unless the new one is confirmed",
                f"--on-active={seconds}s",
                "--timer-property=AccuracySec=100ms",
                self.nft,
                "-f",
                str(self.script),
            ]
        )
        if rc:
            raise NftablesError(f"No rollback timer, so nothing was changed: {err.strip()}")

    def disarm(self) -> None:
        """Stop the timer, and the load itself if it has just begun."""
        self.run(["systemctl", "stop", f"{self.unit}.timer", f"{self.unit}.service"])
        if self.armed():
            raise NftablesError(f"{self.unit}.timer can't be stopped; the former packet filter will come back")


def read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def write(path: Path, text: str) -> None:
    """Replace a file in one step, for root only, on disk before it counts."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
