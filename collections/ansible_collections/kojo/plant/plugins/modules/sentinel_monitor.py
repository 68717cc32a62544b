#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""What one Sentinel monitors."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sentinel_monitor
short_description: What one Sentinel monitors, through its own commands
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Reads Sentinel's live state, compares, and changes what differs. Sentinel's file is never written.
  - The master's address is given to a Sentinel that doesn't know the master yet, and never again. After a failover the
    address is Sentinel's business.
  - Sentinel doesn't tell O(auth_user) and O(auth_password). Both are compared with the file that Sentinel itself
    rewrites at every change, which is only read.
  - At the end Sentinel is asked whether a failover could be authorised. If not, that is a failure.
extends_documentation_fragment:
  - kojo.plant.sentinel
options:
  host:
    description: Address of the Sentinel.
    type: str
    default: 127.0.0.1
  name:
    description: Name of the master.
    type: str
    required: true
  state:
    description: Whether the master is monitored.
    type: str
    choices: [present, absent]
    default: present
  master_host:
    description: Address of the master, for a Sentinel that doesn't monitor it yet. Required for O(state=present).
    type: str
  master_port:
    description: Port of the master, for a Sentinel that doesn't monitor it yet.
    type: int
    default: 6379
  quorum:
    description: How many Sentinels must agree that the master is down. Required for O(state=present).
    type: int
  down_after_ms:
    description: How long the master may be silent until this Sentinel holds it for down, in milliseconds.
    type: int
  failover_timeout_ms:
    description: Twice this time lies between two tries at the same failover, in milliseconds.
    type: int
  parallel_syncs:
    description: How many replicas may resynchronise at once after a failover.
    type: int
  auth_user:
    description: ACL user that Sentinel logs in with at the master and its replicas.
    type: str
  auth_password:
    description: Its password.
    type: str
  peer_user:
    description: ACL user that Sentinel logs in with at the other Sentinels.
    type: str
  peer_password:
    description: Its password.
    type: str
  config_file:
    description: The file that Sentinel keeps its state in, on the host that the module runs on.
    type: path
    default: /etc/redis/sentinel.conf
  timeout:
    description: How long to wait for the Sentinel, and for a quorum of them, in seconds.
    type: int
    default: 30
attributes:
  check_mode:
    support: full
    description: Where Sentinel isn't running yet, everything counts as a change.
  diff_mode:
    support: full
    description: Passwords are shown as V(hidden) or V(other).
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Have the local Sentinel monitor the plant's Redis
  kojo.plant.sentinel_monitor:
    host: 10.77.31.11
    name: kojo
    master_host: 10.77.31.13
    quorum: 2
    down_after_ms: 2000
    failover_timeout_ms: 10000
    auth_user: kojo_sentinel
    auth_password: "{{ plant_secrets.redis_sentinel_password }}"
    username: kojo_admin
    password: "{{ plant_secrets.redis_admin_password }}"
    ca_file: /etc/kojo/pki/ca.crt
    cert_file: /etc/kojo/pki/host.crt
    key_file: /etc/kojo/pki/host.key
"""

RETURN = r"""
master:
  description: Address of the master that Sentinel knows; an empty string if it monitors none.
  returned: always
  type: str
  sample: 10.77.31.13
quorum:
  description: Sentinel's answer to CKQUORUM; an empty string if it was not asked.
  returned: always
  type: str
  sample: OK 3 usable Sentinels. Quorum and failover authorization can be reached
"""

import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kojo.plant.plugins.module_utils.resp import RespError, Unreachable
from ansible_collections.kojo.plant.plugins.module_utils.sentinel import SENTINEL_OPTIONS, Sentinel, connector

POLL_SECONDS = 0.5
# Sentinel's name of a setting, the module's option
OF_MASTER = {
    "quorum": "quorum",
    "down-after-milliseconds": "down_after_ms",
    "failover-timeout": "failover_timeout_ms",
    "parallel-syncs": "parallel_syncs",
}
OF_LOGIN = {"auth-user": "auth_user", "auth-pass": "auth_password"}
OF_PEERS = {"sentinel-user": "peer_user", "sentinel-pass": "peer_password"}
SECRET = ("auth-pass", "sentinel-pass")

Settings = dict[str, str]


@dataclass(frozen=True)
class Wanted:
    """The state to reach; only settings that were given are in it."""

    name: str
    host: str
    port: int
    master: Settings
    peers: Settings

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Wanted:
        def given(names: Mapping[str, str]) -> Settings:
            return {theirs: str(options[ours]) for theirs, ours in names.items() if options[ours] is not None}

        master, peers = given({**OF_MASTER, **OF_LOGIN}), given(OF_PEERS)
        return cls(options["name"], options["master_host"], options["master_port"], master, peers)


@dataclass(frozen=True)
class Present:
    """The state that Sentinel tells; no address means that the master isn't monitored."""

    address: str
    master: Settings
    peers: Settings


def logins(text: str, name: str) -> Settings:
    """The login at the master NAME, from the text of Sentinel's own file."""
    found = {}
    for line in text.splitlines():
        if line.startswith("sentinel auth-"):
            words = shlex.split(line)
            if len(words) == 4 and words[1] in OF_LOGIN and words[2] == name:
                found[words[1]] = words[3]
    return found


def read(sentinel: Sentinel, name: str, text: Callable[[], str]) -> Present:
    master = sentinel.master(name)
    peers = sentinel.configuration("sentinel-*")
    if master is None:
        return Present("", {}, peers)
    return Present(master["ip"], {**master, **logins(text(), name)}, peers)


def differences(wanted: Settings, present: Settings) -> Settings:
    return {key: value for key, value in wanted.items() if present.get(key) != value}


def shown(wanted: Settings, settings: Settings) -> dict[str, str]:
    """The settings that are wanted, as they are in SETTINGS, fit to be seen."""
    return {
        key: settings[key] if key not in SECRET else ("hidden" if settings[key] == value else "other")
        for key, value in wanted.items()
        if key in settings
    }


def view(wanted: Wanted, present: Present) -> dict[str, str]:
    settings = {**shown(wanted.master, present.master), **shown(wanted.peers, present.peers)}
    return {"master": present.address, **settings} if present.address else settings


def present_outcome(sentinel: Sentinel, wanted: Wanted, text: Callable[[], str], check_mode: bool) -> dict[str, Any]:
    """Compares, changes what differs, reads again."""
    before = read(sentinel, wanted.name, text)
    goal = Present(before.address or wanted.host, {**before.master, **wanted.master}, {**before.peers, **wanted.peers})
    master, peers = differences(wanted.master, before.master), differences(wanted.peers, before.peers)
    changed = not before.address or bool(master) or bool(peers)
    if changed and not check_mode:
        if peers:
            sentinel.configure(peers)
        if not before.address:
            sentinel.monitor(wanted.name, wanted.host, wanted.port, int(wanted.master["quorum"]))
        if master:
            sentinel.set(wanted.name, master)
        after = read(sentinel, wanted.name, text)
        left = {**differences(wanted.master, after.master), **differences(wanted.peers, after.peers)}
        if left:
            raise RespError(f"Sentinel took {', '.join(left)} for master {wanted.name} and doesn't have it")
        goal = after
    diff = {"before": view(wanted, before), "after": view(wanted, goal)}
    return {"changed": changed, "master": goal.address, "quorum": "", "diff": diff}


def absent_outcome(sentinel: Sentinel, name: str, check_mode: bool) -> dict[str, Any]:
    master = sentinel.master(name)
    if master is not None and not check_mode:
        sentinel.remove(name)
        if sentinel.master(name) is not None:
            raise RespError(f"Sentinel took REMOVE {name} and still monitors it")
    before = {"master": master["ip"]} if master else {}
    return {"changed": bool(master), "master": "", "quorum": "", "diff": {"before": before, "after": {}}}


def bare_outcome(wanted: Wanted, state: str) -> dict[str, Any]:
    """What check mode says where Sentinel isn't running yet."""
    if state == "absent":
        return {"changed": False, "master": "", "quorum": "", "diff": {"before": {}, "after": {}}}
    after = view(wanted, Present(wanted.host, wanted.master, wanted.peers))
    return {"changed": True, "master": wanted.host, "quorum": "", "diff": {"before": {}, "after": after}}


def wait_for_quorum(
    sentinel: Sentinel, name: str, seconds: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> str:
    """Sentinels find each other through the master, every two seconds."""
    deadline = clock() + seconds
    while True:
        try:
            return sentinel.check_quorum(name)
        except RespError as error:
            if not str(error).startswith("NOQUORUM"):
                raise
            if clock() >= deadline:
                raise RespError(
                    f"no failover of {name} is possible: {error}. Waited {seconds:g} s; look at the other Sentinels"
                ) from error
        sleep(POLL_SECONDS)


def wait_for_sentinel(
    connect: Callable[[], Sentinel], seconds: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Sentinel:
    deadline = clock() + seconds
    while True:
        try:
            return connect()
        except Unreachable as error:
            if clock() >= deadline:
                raise Unreachable(f"{error}; waited {seconds:g} s, see `journalctl -u redis-sentinel`") from error
        sleep(POLL_SECONDS)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SENTINEL_OPTIONS,
            "host": {"type": "str", "default": "127.0.0.1"},
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "master_host": {"type": "str"},
            "master_port": {"type": "int", "default": 6379},
            "quorum": {"type": "int"},
            "down_after_ms": {"type": "int"},
            "failover_timeout_ms": {"type": "int"},
            "parallel_syncs": {"type": "int"},
            "auth_user": {"type": "str"},
            "auth_password": {"type": "str", "no_log": True},
            "peer_user": {"type": "str"},
            "peer_password": {"type": "str", "no_log": True},
            "config_file": {"type": "path", "default": "/etc/redis/sentinel.conf"},
            "timeout": {"type": "int", "default": 30},
        },
        required_if=[("state", "present", ("master_host", "quorum"))],
        required_together=[("cert_file", "key_file"), ("auth_user", "auth_password"), ("peer_user", "peer_password")],
        supports_check_mode=True,
    )
    options, check_mode = module.params, module.check_mode
    wanted = Wanted.from_options(options)
    connect = connector(options)
    try:
        sentinel = wait_for_sentinel(
            lambda: connect(options["host"]), 0 if check_mode else options["timeout"], time.monotonic, time.sleep
        )
        if options["state"] == "absent":
            outcome = absent_outcome(sentinel, wanted.name, check_mode)
        else:
            outcome = present_outcome(sentinel, wanted, Path(options["config_file"]).read_text, check_mode)
            if not check_mode:
                outcome["quorum"] = wait_for_quorum(
                    sentinel, wanted.name, options["timeout"], time.monotonic, time.sleep
                )
        sentinel.close()
    except Unreachable as error:
        if not check_mode:
            module.fail_json(msg=str(error))
        outcome = bare_outcome(wanted, options["state"])
    except (OSError, RespError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
