"""The service as its clients see it: through the virtual address, with the plant's CA alone."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from testinfra.host import Host

from tests.plant.inventory import Plant
from tests.wait import eventually


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


def seen_idle(plant: Plant, status: int) -> None:
    """Until each edge answers so for the colour that doesn't serve: it is each one's own checks that tell."""
    for name in plant.groups["edge"]:
        with client(plant, port=8443, at=plant.address(name)) as preview:
            eventually(lambda: preview.get("/health").status_code, lambda code: code == status, 60)


def holders(plant: Plant, host: Callable[[str], Host]) -> list[str]:
    """The edges that have the virtual address now."""
    found = {name: host(name).check_output("ip -brief address show") for name in plant.groups["edge"]}
    return [name for name, addresses in found.items() if f" {address(plant)}/" in addresses]


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
