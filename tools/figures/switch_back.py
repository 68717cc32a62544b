"""`kojo-bluegreen switch-back`, from its start until the old colour has answered a request on both edges; the longest.

The command is timed on the edge where the operator gives it. Which colour answered is read in HAProxy's log.
"""

from __future__ import annotations

import json
import time

import httpx

from tests.bluegreen.colours import Colours, both_colours
from tests.faults.lab import Lab
from tests.plant import edges
from tests.plant.edges import OTHER
from tests.plant.inventory import load_plant
from tests.wait import eventually
from tools.figures.common import Unmeasurable, emit, inventory, running_plant

BAR = 1
AIM = 0.3
UNIT = "s"
RETURNS = 10


def served_by(colours: Colours, edge: str, request: str) -> str:
    """Return the colour that a request went to, by the edge's log."""
    command = f"journalctl --identifier haproxy --since -1min --quiet --output cat --grep {request}"
    line = eventually(lambda: colours.lab.ssh(edge).run(command).stdout, bool, 10, f"no line of {request} in the log")
    return str(json.loads(line[line.index("{") :].splitlines()[0])["backend"])


def measure(colours: Colours, clients: dict[str, httpx.Client]) -> float:
    """Go back once; return the seconds."""
    wanted = OTHER[colours.active()]
    seconds, began = colours.switch_back(), time.monotonic()
    answers = {edge: client.get("/health").raise_for_status() for edge, client in clients.items()}
    seconds += time.monotonic() - began
    found = {edge: served_by(colours, edge, answer.headers["X-Request-ID"]) for edge, answer in answers.items()}
    if set(found.values()) != {wanted}:
        raise Unmeasurable(f"switch-back: {wanted} was to serve, and requests went to {found}")
    return seconds


def main() -> None:
    with running_plant(), both_colours(Lab.of(load_plant(inventory()))) as colours:
        plant = colours.lab.plant
        clients = {edge: edges.client(plant, at=plant.address(edge)) for edge in colours.edges}
        samples = [measure(colours, clients) for _ in range(RETURNS)]
    print("  ".join(f"{sample:.2f} s" for sample in samples))
    emit("switch-back", round(max(samples), 3), UNIT, bar=BAR, better="lower", samples=RETURNS)


if __name__ == "__main__":
    main()
