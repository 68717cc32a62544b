"""What may happen to an edge or to the control node while a deploy runs. All of it heals by itself."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.lab import Lab

APART = 15  # seconds that a partition lasts
TABLE = "kojo_fault"
# before the plant's own filter
CHAINS = """table inet {table} {{
  chain input {{ type filter hook input priority -300; iif lo accept; {input} drop; }}
  chain output {{ type filter hook output priority -300; oif lo accept; {output} drop; }}
}}"""

Kill = Callable[[], None]


@dataclass(frozen=True)
class Disturbance:
    """A fault on EDGE, or on the control node: then EDGE is empty, and all edges survive."""

    name: str
    edge: str
    do: Callable[[Lab, str, Kill], None]

    def surviving(self, lab: Lab) -> list[str]:
        """Return the edges that nothing happens to."""
        return [edge for edge in lab.plant.groups["edge"] if edge != self.edge]


def on_edge(command: str) -> Callable[[Lab, str, Kill], None]:
    """Return a fault that is a command on the edge."""

    def do(lab: Lab, edge: str, _kill: Kill) -> None:
        lab.ssh(edge).check_output(command)

    return do


def cut_off(lab: Lab, name: str, *, input: str = "", output: str = "") -> None:
    """Let nothing pass between a host and all others (or only what INPUT and OUTPUT match), and heal it again."""
    rules = CHAINS.format(table=TABLE, input=input, output=output)
    script = f"sleep 0.5; nft {shlex.quote(rules)}; sleep {APART}; nft delete table inet {TABLE}"
    lab.ssh(name).check_output(f"systemd-run --quiet --collect sh -c {shlex.quote(script)}")


def partition(lab: Lab, edge: str, _kill: Kill) -> None:
    """Cut an edge off from everybody."""
    cut_off(lab, edge)


def control_node_dies(_lab: Lab, _edge: str, kill: Kill) -> None:
    """Kill the run with all its processes."""
    kill()


def control_node_apart(lab: Lab, _edge: str, _kill: Kill) -> None:
    """Cut the control node off from all hosts that a deploy speaks to."""
    for name in (*lab.plant.groups["app"], *lab.plant.groups["edge"]):
        cut_off(lab, name, input="tcp dport 22", output="tcp sport 22")


ON_EDGES: dict[str, Callable[[Lab, str, Kill], None]] = {
    "HAProxy killed": on_edge("systemctl kill --signal=KILL haproxy"),
    "HAProxy reloaded": on_edge("systemctl reload haproxy"),
    "agent killed": on_edge("systemctl kill --signal=KILL kojo-bluegreen"),
    "partitioned": partition,
}
ON_CONTROL_NODE: dict[str, Callable[[Lab, str, Kill], None]] = {
    "killed": control_node_dies,
    "partitioned": control_node_apart,
}


def disturbances(edges: list[str]) -> list[Disturbance]:
    """Return all that may happen, each edge's and the control node's."""
    found = [Disturbance(f"{edge} {name}", edge, do) for edge in edges for name, do in ON_EDGES.items()]
    return found + [Disturbance(f"control node {name}", "", do) for name, do in ON_CONTROL_NODE.items()]
