#!/usr/bin/python
# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Try real connections from a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: zone_probe
short_description: Try real connections from a host
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - Tries to reach addresses and ports from the host that it runs on, many at a time, and tells what came back.
  - An answer and a refusal both prove that the packets got through every firewall between. Silence is a drop.
  - A UDP port is sent an empty NTP request, which a time server answers. Another listener may stay silent, so
    that V(filtered) proves nothing about UDP; V(open) and V(refused) do.
options:
  targets:
    description: What to try.
    type: list
    elements: dict
    required: true
    suboptions:
      addresses:
        description: IPv4 addresses.
        type: list
        elements: str
        required: true
      protocol:
        description: V(icmp) is an echo request, which only root may send.
        type: str
        choices: [tcp, udp, icmp]
        default: tcp
      ports:
        description: The ports; none for V(icmp).
        type: list
        elements: int
        default: []
  timeout:
    description: Seconds to wait for an answer to one probe.
    type: float
    default: 1.0
  parallel:
    description: How many probes may wait at a time. Each is an open file.
    type: int
    default: 256
attributes:
  check_mode:
    description: It only looks, so it does the same.
    support: full
  diff_mode:
    description: It changes nothing.
    support: none
  idempotent:
    description: It changes nothing.
    support: full
  platform:
    description: Linux, because of its filter for ICMP sockets.
    platforms: Linux
    support: full
"""

EXAMPLES = r"""
- name: What the gateway can reach of a database host
  kojo.plant.zone_probe:
    targets:
      - {addresses: [10.77.31.11, 10.77.31.12], ports: [22, 5432, 8008]}
      - {addresses: [10.77.31.11], protocol: icmp}
  register: reached
"""

RETURN = r"""
probes:
  description: One entry a probe, in the order asked for.
  type: list
  elements: dict
  returned: always
  contains:
    address:
      description: The target.
      type: str
    protocol:
      description: The protocol.
      type: str
    port:
      description: The port, 0 for C(icmp).
      type: int
    state:
      description:
        - C(open), the target answered.
        - C(refused), the target itself said no, so nothing dropped the packet.
        - C(filtered), silence until the timeout.
        - C(unreachable), there is no way, or a router said no.
        - C(local), the address is this host's own and no network was tried.
      type: str
  sample:
    - {address: 10.77.31.11, protocol: tcp, port: 5432, state: open}
"""

import asyncio
import errno
import socket
import struct
from typing import Any

from ansible.module_utils.basic import AnsibleModule

NTP_REQUEST = b"\x23" + bytes(47)
ECHO_REQUEST = bytes.fromhex("0800 f7fe 0000 0001")  # type, code, checksum, identifier, sequence number
SOL_RAW = 255  # sys/socket.h
ICMP_FILTER = 1  # linux/icmp.h
ALL_BUT_ECHO_REPLIES = struct.pack("I", 0xFFFFFFFE)
SOCKETS = {
    "tcp": (socket.SOCK_STREAM, 0),
    "udp": (socket.SOCK_DGRAM, 0),
    "icmp": (socket.SOCK_RAW, socket.IPPROTO_ICMP),
}
STATES = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "refused",
    errno.EPERM: "filtered",  # this host's own filter
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
}


def is_local(address: str) -> bool:
    """Whether ADDRESS is one of this host's own: then the kernel would also send from it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return False
        return bool(probe.getsockname()[0] == address)


async def converse(connection: socket.socket, address: str, protocol: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    if protocol == "tcp":
        await loop.sock_connect(connection, (address, port))
    else:
        connection.connect((address, port))  # sends nothing yet
        await loop.sock_sendall(connection, ECHO_REQUEST if protocol == "icmp" else NTP_REQUEST)
        await loop.sock_recv(connection, 512)


async def probe(address: str, protocol: str, port: int, timeout: float) -> str:
    with socket.socket(socket.AF_INET, *SOCKETS[protocol]) as connection:
        connection.setblocking(False)
        if protocol == "tcp":  # close with a reset: no connection lingers on either side
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if protocol == "icmp":
            connection.setsockopt(SOL_RAW, ICMP_FILTER, ALL_BUT_ECHO_REPLIES)
        try:
            await asyncio.wait_for(converse(connection, address, protocol, port), timeout)
        except TimeoutError:
            return "filtered"
        except OSError as error:
            if error.errno in STATES:
                return STATES[error.errno]
            raise
        return "open"


async def probe_all(targets: list[dict[str, Any]], timeout: float, parallel: int) -> list[dict[str, Any]]:
    places = asyncio.Semaphore(parallel)
    own = {address: is_local(address) for target in targets for address in target["addresses"]}

    async def one(address: str, protocol: str, port: int) -> dict[str, Any]:
        async with places:
            state = "local" if own[address] else await probe(address, protocol, port, timeout)
        return {"address": address, "protocol": protocol, "port": port, "state": state}

    return await asyncio.gather(
        *(
            one(address, target["protocol"], port)
            for target in targets
            for address in target["addresses"]
            for port in ([0] if target["protocol"] == "icmp" else target["ports"])
        )
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "targets": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "addresses": {"type": "list", "elements": "str", "required": True},
                    "protocol": {"type": "str", "choices": ["tcp", "udp", "icmp"], "default": "tcp"},
                    "ports": {"type": "list", "elements": "int", "default": []},
                },
            },
            "timeout": {"type": "float", "default": 1.0},
            "parallel": {"type": "int", "default": 256},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        probes = asyncio.run(probe_all(params["targets"], params["timeout"], params["parallel"]))
    except OSError as error:  # no right to raw sockets, too many open files
        module.fail_json(msg=f"A probe couldn't be made on this host: {error}")
    module.exit_json(changed=False, probes=probes)


if __name__ == "__main__":
    main()
