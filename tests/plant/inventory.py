"""The plant under test: its inventory as Ansible sees it, and how to reach each host in a way that isn't Ansible's."""

from __future__ import annotations

import functools
import json
import os
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from testinfra.backend.base import CommandResult
from testinfra.host import Host

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Plant:
    """A plant's inventory: its folder, its groups (name to host names), and the variables of `all`."""

    folder: Path
    groups: dict[str, list[str]]
    hostvars: dict[str, dict[str, Any]]

    def address(self, host: str) -> str:
        """Return the address by which a host is reached."""
        return str(self.hostvars[host]["ansible_host"])

    @property
    def hosts(self) -> list[str]:
        """Return all hosts of the plant."""
        return sorted(self.hostvars)

    @property
    def vars(self) -> dict[str, Any]:
        """Return the plant-wide variables (plant.yml, secrets.yml), as written, templates not evaluated."""
        return next(iter(self.hostvars.values()))

    @property
    def secrets(self) -> dict[str, str]:
        """Return the plant's secrets."""
        return dict(self.vars["plant_secrets"])

    @property
    def ca(self) -> Path:
        """Return the plant CA's certificate."""
        return self.folder / ".state/pki/ca.crt"

    def tls(self) -> ssl.SSLContext:
        """Return a client's TLS context that trusts the plant's CA alone."""
        return ssl.create_default_context(cafile=str(self.ca))


@functools.cache
def load_plant(folder: Path) -> Plant:
    """Read an inventory as Ansible does."""
    text = subprocess.run(
        [Path(sys.executable).parent / "ansible-inventory", "-i", folder, "--list"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    ).stdout
    inventory = json.loads(text)
    groups = {name: body["hosts"] for name, body in inventory.items() if name != "_meta" and "hosts" in body}
    return Plant(folder=folder.resolve(), groups=groups, hostvars=inventory["_meta"]["hostvars"])


def under_test() -> Path:
    """Return the folder of the plant under test: KOJO_PLANT, or plant_a."""
    return Path(os.environ.get("KOJO_PLANT", ROOT / "inventories/plant_a"))


def connection(plant: Plant, name: str) -> dict[str, str]:
    """Return what testinfra needs to reach a host over SSH with the lab's key."""
    lab = plant.folder / ".state/lab"
    return {
        "hostspec": f"ssh://root@{plant.address(name)}",
        "ssh_identity_file": str(lab / "id_ed25519"),
        "ssh_extra_args": f"-o UserKnownHostsFile={lab / 'known_hosts'} -o StrictHostKeyChecking=yes"
        " -o ServerAliveInterval=5",
    }


def attempt(host: Host, command: str) -> CommandResult:
    """Run a command on a host that may be starting: where SSH itself fails, its 255 and its words are the answer."""
    try:
        return host.run(command)
    except RuntimeError as error:  # what testinfra makes of a 255
        return cast(CommandResult, error.args[0])
