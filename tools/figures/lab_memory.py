"""Memory of all containers of the idle lab.

The sum of the proportional set size (PSS) of every process in every container, from the kernel's smaps_rollup: a page
that several processes map counts once, shared out among them, so that neither PostgreSQL's shared buffers nor the
libraries that ten containers have in common are counted twice. It needs no memory controller, which cgroup v2 lacks on
hybrid hosts. Not in it is page cache that nobody maps, which the kernel gives back as soon as someone wants memory.
The largest of five looks, ten seconds apart.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections import defaultdict
from pathlib import Path

from tests.plant.inventory import Plant, load_plant
from tools.figures.common import ROOT, Unmeasurable, answers, emit, inventory, running_plant

BAR = 6
AIM = 4
UNIT = "GiB"
LOOKS = 5
PAUSE = 10.0
PROC = Path("/proc")
PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


def containers(plant: Plant) -> dict[str, str]:
    """Return the host of each running container, by the container's id."""
    lab = f"kojo-{plant.vars['plant_id']}-"
    command = [str(ROOT / "tools/lab/enter"), "podman", "ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    pairs = [line.split() for line in listed.splitlines()]
    return {identity: name.removeprefix(lab) for identity, name in pairs if name.startswith(lab)}


def kib_of(process: Path) -> int:
    """Return the memory of one process in KiB."""
    return sum(int(kib) for kib in PSS.findall((process / "smaps_rollup").read_text(encoding="utf-8")))


def kib_of_hosts(hosts: dict[str, str]) -> dict[str, int]:
    """Return each host's memory in KiB."""
    memory: dict[str, int] = defaultdict(int)
    for process in PROC.glob("[0-9]*"):
        try:
            place = re.search(r"libpod-([0-9a-f]{64})", (process / "cgroup").read_text(encoding="utf-8"))
            if place and place[1] in hosts:
                memory[hosts[place[1]]] += kib_of(process)
        except (FileNotFoundError, ProcessLookupError):
            # it ended while we looked
            continue
    return memory


def main() -> None:
    with running_plant():
        plant = load_plant(inventory())
        hosts = containers(plant)
        if missing := set(plant.hosts) - set(hosts.values()):
            raise Unmeasurable(f"lab-memory: no running container for {', '.join(sorted(missing))}")
        if not answers(plant.folder):
            raise Unmeasurable("lab-memory: the service doesn't answer, so this isn't the whole lab; run site.yml")
        looks = []
        for _ in range(LOOKS):
            time.sleep(PAUSE)
            looks.append(kib_of_hosts(hosts))
    most = max(looks, key=lambda look: sum(look.values()))
    print(*(f"{host}: {kib / 1024:.0f} MiB" for host, kib in sorted(most.items())), sep="\n")
    emit("lab-memory", round(sum(most.values()) / 2**20, 2), UNIT, bar=BAR, better="lower", samples=LOOKS)


if __name__ == "__main__":
    main()
