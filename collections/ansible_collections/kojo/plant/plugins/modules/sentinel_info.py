#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Which master the Sentinels of a plant know."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sentinel_info
short_description: Which master the Sentinels of a plant know
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Asks every Sentinel for a master; where they differ, as in a failover, the newest configuration counts.
  - A host that is up and has no Sentinel yet knows nothing. A host that doesn't answer may know a master,
    so if no other Sentinel knows one, that is a failure. A second master is never made by mistake.
extends_documentation_fragment:
  - kojo.plant.sentinel
options:
  hosts:
    description: Addresses of all Sentinels.
    type: list
    elements: str
    required: true
  name:
    description: Name of the master.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: Where the host has no certificates yet, no Sentinel can be asked, and no master is known.
  diff_mode:
    support: none
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Ask for the master
  kojo.plant.sentinel_info:
    hosts: [10.77.31.11, 10.77.31.12, 10.77.31.13]
    name: kojo
    username: kojo_admin
    password: "{{ plant_secrets.redis_admin_password }}"
    ca_file: /etc/kojo/pki/ca.crt
    cert_file: /etc/kojo/pki/host.crt
    key_file: /etc/kojo/pki/host.key
  register: sentinels
"""

RETURN = r"""
master:
  description: Address of the master; an empty string if no Sentinel knows one.
  returned: always
  type: str
  sample: 10.77.31.13
known_by:
  description: The Sentinels that know a master, and the address that each of them names.
  returned: always
  type: dict
  sample: {10.77.31.11: 10.77.31.13, 10.77.31.12: 10.77.31.13}
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kojo.plant.plugins.module_utils.resp import Refused, RespError, Unreachable
from ansible_collections.kojo.plant.plugins.module_utils.sentinel import SENTINEL_OPTIONS, Sentinel, connector


def ask(connect: Callable[[str], Sentinel], hosts: list[str], name: str) -> dict[str, Any]:
    known: dict[str, dict[str, str]] = {}
    silent: list[str] = []
    for host in hosts:
        try:
            sentinel = connect(host)
        except Refused:
            continue
        except Unreachable as error:
            silent.append(str(error))
            continue
        try:
            master = sentinel.master(name)
        finally:
            sentinel.close()
        if master is not None:
            known[host] = master
    if silent and not known:
        raise Unreachable(
            f"no Sentinel that answers knows the master {name}, but these may, and don't answer: {'; '.join(silent)}. "
            "Bring them up, or take them out of the inventory's group `cache`"
        )
    newest = max(known.values(), key=lambda master: int(master["config-epoch"]), default={"ip": ""})
    return {"master": newest["ip"], "known_by": {host: master["ip"] for host, master in known.items()}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SENTINEL_OPTIONS,
            "hosts": {"type": "list", "elements": "str", "required": True},
            "name": {"type": "str", "required": True},
        },
        required_together=[("cert_file", "key_file")],
        supports_check_mode=True,
    )
    options = module.params
    if module.check_mode and not Path(options["ca_file"]).exists():
        module.exit_json(changed=False, master="", known_by={})
    try:
        module.exit_json(changed=False, **ask(connector(options), options["hosts"], options["name"]))
    except (RespError, Unreachable) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
