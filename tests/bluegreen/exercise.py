"""Switches and returns of a plant under a steady load."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.bluegreen.colours import Colours, Decided, both_colours
from tests.faults.lab import Lab
from tests.load.people import people, session
from tests.load.shopfloor import own_line
from tests.load.steady import RATE, Load, steadily
from tests.load.verdict import BEFORE, CALM
from tests.plant import edges

WARM_UP = BEFORE + CALM + 2


@dataclass(frozen=True)
class Exercised:
    """The load, with its requests from first to last, and what the edges decided meanwhile."""

    load: Load
    decided: list[Decided]

    @property
    def commits(self) -> list[float]:
        """Return when the first edge served by each decision, seconds since 1970."""
        return [min(decision.at.values()) for decision in self.decided]


@contextmanager
def under_load(lab: Lab, rate: float = RATE, *, listener: bool = True) -> Iterator[Load]:
    """The load on a line of its own, with the device's key; with a LISTENER one person besides."""
    with ExitStack() as stack:
        stack.enter_context(own_line(lab))
        token = ""
        if listener:
            (person,) = stack.enter_context(people(lab, ["operator"]))
            token = stack.enter_context(session(lab, person)).headers["Authorization"].removeprefix("Bearer ")
        key = lab.plant.secrets["mes_simulator_key"]
        load = Load(edges.address(lab.plant), lab.plant.tls(), key, rate=rate, token=token)
        yield stack.enter_context(steadily(load))


def changes(switches: int, returns: int) -> list[str]:
    """Return the order: the returns among the switches, as evenly as they go, the last one a return if there is any."""
    order = []
    for number in range(1, switches + returns + 1):
        due = number * returns // (switches + returns) > (number - 1) * returns // (switches + returns)
        order.append("return" if due else "switch")
    return order


def exercise(
    lab: Lab, *, switches: int, returns: int, interval: float, drain: int | None = None, rate: float = RATE
) -> Exercised:
    """Do SWITCHES by the module (see its `drain`) and RETURNS by the operator's command, one every INTERVAL seconds.
    Every change must be on record on all edges: RuntimeError otherwise."""
    with both_colours(lab) as colours:
        begun = time.time()
        with under_load(lab, rate) as load:
            time.sleep(WARM_UP)
            due = time.monotonic()
            for change in changes(switches, returns):
                time.sleep(max(0.0, due - time.monotonic()))
                due = time.monotonic() + interval
                _do(colours, change, drain)
            time.sleep(interval)
        decided = colours.decided(begun)
    if len(decided) != switches + returns:
        raise RuntimeError(f"{switches + returns} changes were made, and {len(decided)} are on record on all edges")
    return Exercised(load, decided)


def _do(colours: Colours, change: str, drain: int | None) -> None:
    if change == "switch":
        colours.switch(drain)
    else:
        colours.switch_back()
