"""Which colour serves which release, as edges, hosts and clients see it; and the requests that failed meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from testinfra.host import Host

from tests.plant import edges, monitoring
from tests.plant.inventory import Plant

PATH = "/api/v1/lines"
PAUSE = 0.02


def links(plant: Plant, host: Callable[[str], Host]) -> dict[str, str]:
    """Where the links of all hosts of the service point to, all alike."""
    command = "find /opt/kojo-mes -maxdepth 1 -type l -name '[bgc]*' -printf '%f %f->%l\\n' | sort | cut -d' ' -f2"
    names = sorted({*plant.groups["app"], *plant.groups["gateway"]})
    found = {name: str(host(name).check_output(command)) for name in names}
    assert len(set(found.values())) == 1, f"the hosts differ: {found}"
    return dict(line.split("->") for line in next(iter(found.values())).splitlines())


def version(plant: Plant) -> str:
    with edges.client(plant) as client:
        return str(client.get("/health").json()["version"])


def notices(plant: Plant, change: str) -> set[str]:
    """What Alertmanager tells people of a change."""
    with monitoring.client(plant, 9093, "alertmanager_web_password") as alertmanager:
        answer = alertmanager.get("/api/v2/alerts", params={"filter": f'change="{change}"'})
    return {alert["labels"]["alertname"] for alert in answer.raise_for_status().json()}


@dataclass
class Traffic:
    """Requests through the virtual address."""

    answered: int = 0
    failed: list[str] = field(default_factory=list)


@contextmanager
def traffic(plant: Plant, at: str = "") -> Iterator[Traffic]:
    """Two clients that ask without a break: one keeps its connection, the other takes a new one each time.
    AT: an edge's own address; without it the virtual one."""
    seen, end = Traffic(), threading.Event()

    def ask(client: httpx.Client) -> None:
        try:
            answer = client.get(PATH)
            if answer.status_code == 200:
                seen.answered += 1
            else:
                seen.failed.append(f"{answer.status_code} {answer.text[:80]}")
        except httpx.HTTPError as error:
            seen.failed.append(repr(error))

    def keep() -> None:
        with edges.client(plant, key=plant.secrets["mes_simulator_key"], at=at) as client:
            while not end.wait(PAUSE):
                ask(client)

    def renew() -> None:
        while not end.wait(PAUSE):
            with edges.client(plant, key=plant.secrets["mes_simulator_key"], at=at) as client:
                ask(client)

    threads = [threading.Thread(target=work) for work in (keep, renew)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        end.set()
        for thread in threads:
            thread.join()
