"""Programs and SQL on the plant's hosts, for those who put it under load or count what came through."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.faults.lab import Lab
from tests.plant.inventory import Plant, connection
from tests.wait import eventually

SYNCHRONOUS = """
    SELECT count(*) FROM pg_stat_replication
    WHERE sync_state IN ('sync', 'quorum') AND current_setting('synchronous_commit') = 'on'
"""


def sql(lab: Lab, statement: str, member: str = "", **values: object) -> list[list[str]]:
    """Run SQL on a member of the cluster, the primary if none is named, as its superuser and past the service.

    Return its rows. A value X is `:'X'` in it.
    """
    given = [part for name, value in values.items() for part in ("-v", f"{name}={value}")]
    command = ["runuser", "-u", "postgres", "--", "psql", "-XAtqd", "kojo", "-F", "\t", "-v", "ON_ERROR_STOP=1", *given]
    member = member or eventually(lab.places, lambda places: bool(places.primary), 60).primary
    said = lab.ssh(member).check_output(f"cd / && printf %s {shlex.quote(statement)} | {shlex.join(command)}")
    return [line.split("\t") for line in said.splitlines()]


def start(
    plant: Plant, host: str, program: Path, job: Mapping[str, object], command: str = "python3"
) -> subprocess.Popen[str]:
    """Start a Python program on a host of the plant. Its job goes in by standard input: it may hold secrets."""
    way = connection(plant, host)
    source = program.read_text(encoding="utf-8")
    process = subprocess.Popen(
        [
            "ssh",
            *("-i", way["ssh_identity_file"], *shlex.split(way["ssh_extra_args"])),
            way["hostspec"].removeprefix("ssh://"),
            f"{command} -c {shlex.quote(source)}",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.flush()
    return process


def require_synchronous(lab: Lab) -> None:
    """A cluster that doesn't wait for a standby is quicker, and isn't what a plant runs."""
    if sql(lab, SYNCHRONOUS) == [["0"]]:
        raise RuntimeError("no standby is synchronous; see `patronictl list`")
