#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""What preflight wants to know of a host."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: host_state
short_description: What a plant's preflight wants to know of a host
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Reads the system, the clock, the space, the memory and the installed packages of a host in one small call. It
    changes nothing.
  - A host that can't be reached or read doesn't fail the task; what happened is returned as C(error).
options:
  paths:
    description: Folders whose free space is measured. One that isn't there yet is measured where it would be made.
    type: list
    elements: path
    default: [/, /var, /opt]
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: It changes nothing.
    support: none
  idempotent:
    description: It changes nothing.
    support: full
  action:
    description: An action plugin compares the host's clock with the control node's around the call.
    support: full
"""

EXAMPLES = r"""
- name: Read the host's state
  kojo.plant.host_state:
"""

RETURN = r"""
reachable:
  description: Whether there was a connection to the host.
  returned: always
  type: bool
error:
  description: Why the host's state could not be read. Nothing else is returned then.
  returned: when the host could not be read
  type: str
os_id:
  description: The distribution, from C(/etc/os-release).
  returned: when the host could be read
  type: str
  sample: debian
os_version:
  description: Its release.
  returned: when the host could be read
  type: str
  sample: '13'
python:
  description: Version of the Python that Ansible runs on the host.
  returned: when the host could be read
  type: list
  elements: int
  sample: [3, 13, 5]
systemd:
  description: Whether systemd is the init system.
  returned: when the host could be read
  type: bool
root:
  description: Whether Ansible has root rights.
  returned: when the host could be read
  type: bool
clock:
  description: The host's clock, in seconds of the Unix epoch.
  returned: when the host could be read
  type: float
clock_skew_s:
  description: By how many seconds at least the host's clock differs from the control node's.
  returned: when the host could be read
  type: float
  sample: 0.0
disk_free_mb:
  description: Free space by folder.
  returned: when the host could be read
  type: dict
  sample: {/: 20480, /var: 20480, /opt: 20480}
memory_mb:
  description: The host's memory.
  returned: when the host could be read
  type: int
  sample: 3913
ansible_facts:
  description:
    - C(packages), the installed packages as M(ansible.builtin.package_facts) tells them, by name with version. It is
      read from dpkg's own list, at a tenth of the cost.
  returned: when the host could be read
  type: dict
  sample: {packages: {chrony: [{version: 4.6.1-3}]}}
"""

DPKG_STATUS = Path("/var/lib/dpkg/status")


def os_release(text: str) -> dict[str, str]:
    """The assignments of an os-release file."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key: value.strip("\"'") for key, value in pairs}


def memory_mb(meminfo: str) -> int:
    """The MemTotal of /proc/meminfo."""
    kilobytes = next(line.split()[1] for line in meminfo.splitlines() if line.startswith("MemTotal:"))
    return int(kilobytes) // 1024


def installed(status: str) -> dict[str, list[dict[str, str]]]:
    """The packages of dpkg's status file (deb822) that are installed, not merely known or left with their settings."""
    packages: dict[str, list[dict[str, str]]] = {}
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version): (.+)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            packages.setdefault(fields["Package"], []).append({"version": fields["Version"]})
    return packages


def free_mb(path: Path) -> int:
    """Free space where PATH is or would be made."""
    present = next(folder for folder in (path, *path.parents) if folder.exists())
    space = os.statvfs(present)
    return space.f_bavail * space.f_frsize // 1024**2


def state(paths: list[str]) -> dict[str, Any]:
    release = os_release(Path("/etc/os-release").read_text(encoding="utf-8"))
    return {
        "os_id": release.get("ID", ""),
        "os_version": release.get("VERSION_ID", ""),
        "python": list(sys.version_info[:3]),
        "systemd": Path("/run/systemd/system").is_dir(),
        "root": os.geteuid() == 0,
        "disk_free_mb": {path: free_mb(Path(path)) for path in paths},
        "memory_mb": memory_mb(Path("/proc/meminfo").read_text(encoding="utf-8")),
        "ansible_facts": {
            "packages": installed(DPKG_STATUS.read_text(encoding="utf-8")) if DPKG_STATUS.exists() else {}
        },
        "clock": time.time(),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={"paths": {"type": "list", "elements": "path", "default": ["/", "/var", "/opt"]}},
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **state(module.params["paths"]))


if __name__ == "__main__":
    main()
