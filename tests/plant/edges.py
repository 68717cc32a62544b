"""The service as its clients see it: through the virtual address, with the plant's CA alone."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable

import httpx
from testinfra.host import Host

from tests.plant.inventory import Plant
from tests.wait import eventually

OTHER = {"blue": "green", "green": "blue"}


def address(plant: Plant) -> str:
    return str(plant.vars["plant_virtual_address"])


def client(plant: Plant, port: int = 443, key: str | None = None, at: str = "") -> httpx.Client:
    """AT: an edge's own address; without it the virtual one."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.Client(
        base_url=f"https://{at or address(plant)}:{port}",
        verify=plant.tls(),
        headers=headers,
        timeout=15,
        trust_env=False,
    )


def seen(plant: Plant, host: Callable[[str], Host], colour: str, *, up: bool) -> None:
    """Until each edge's own checks say so of all servers: an answer of 503 comes before they do."""
    wanted = dict.fromkeys(plant.groups["app"], "UP" if up else "DOWN")
    for name in plant.groups["edge"]:
        eventually(functools.partial(servers, host(name), colour), wanted.__eq__, 60, f"{colour} as {name} sees it")


def decision(plant: Plant, host: Callable[[str], Host]) -> dict[str, str]:
    """The decision that all edges have: active, canary, _generation, _digest."""
    maps = {content(host(name), "/etc/haproxy/maps/colour.map") for name in plant.groups["edge"]}
    assert len(maps) == 1, f"the edges decide differently: {maps}"
    return dict(line.split(" ") for line in maps.pop().splitlines())


def holders(plant: Plant, host: Callable[[str], Host]) -> list[str]:
    """The edges that have the virtual address now."""
    found = {name: host(name).check_output("ip -brief address show") for name in plant.groups["edge"]}
    return [name for name, addresses in found.items() if f" {address(plant)}/" in addresses]


# HAProxy's own words, without what is under test: a line a server, its fields by the header's names
STATE = """
import csv, socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.connect("/run/haproxy/admin.sock")
    s.sendall(b"show stat\\n")
    for row in csv.DictReader(s.makefile().read().lstrip("# ").splitlines()):
        if row["pxname"] == sys.argv[1] and row["svname"] not in ("FRONTEND", "BACKEND"):
            print(row["svname"], row["status"])
"""


def servers(host: Host, colour: str) -> dict[str, str]:
    """How an edge's own checks see each server of a colour: UP, DOWN, or on the way, as `UP 1/2`."""
    out = host.check_output(shlex.join(["python3", "-c", STATE, colour]))
    return dict(line.split(" ", 1) for line in out.splitlines())


def exposure(host: Host, unit: str) -> float:
    """How much of the system a unit may touch, by systemd's own judgement: 0 nothing, 10 everything."""
    out = host.check_output(f"systemd-analyze security --no-pager {unit}")
    return float(out.split("Overall exposure level")[1].split(":")[1].split()[0])


def unit(host: Host, name: str) -> dict[str, str]:
    """What systemd says of a unit."""
    out = host.check_output(f"systemctl show --property ActiveState,UnitFileState,User {name}")
    return dict(line.split("=", 1) for line in out.splitlines())


def rights(host: Host, path: str) -> str:
    """Owner, group and mode of a file."""
    return str(host.check_output(f"stat --format '%U %G %a' {path}"))


def content(host: Host, path: str) -> str:
    return str(host.check_output(f"cat {path}"))
