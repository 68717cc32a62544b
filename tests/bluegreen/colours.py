"""Both colours of the plant, switched as products do it, and what the edges recorded of it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bluegreen.playbook import play
from tests.faults.lab import Lab
from tests.plant import edges
from tests.plant.edges import OTHER

UNIT = "kojo-mes-api@{}"
HISTORY = "/var/lib/kojo-bluegreen/decisions.jsonl"
REASON = "a test of the plant"


@dataclass(frozen=True)
class Decided:
    """A decision, and when each edge served by it, seconds since 1970, as the edge itself recorded."""

    active: str
    at: dict[str, float]

    @property
    def skew(self) -> float:
        """Return the seconds between the first edge and the last one."""
        return max(self.at.values()) - min(self.at.values())


class Colours:
    """The colours, as the first edge is told about them."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.edges = lab.plant.groups["edge"]
        self.apps = lab.plant.groups["app"]

    def active(self) -> str:
        """Return the colour that serves. Raises AssertionError when the edges differ."""
        states = json.loads(self._on_edge("kojo-bluegreen status --json"))
        return str(states[self.edges[0]]["recorded"]["active"])

    def switch(self, drain: int | None = None) -> None:
        """Go to the other colour by `kojo.plant.bluegreen`; see its option `drain`."""
        options = {} if drain is None else {"drain": drain}
        play(self.lab.plant, "switch.yml", active=OTHER[self.active()], **options)

    def switch_back(self) -> float:
        """Go to the other colour by the operator's command; return its seconds, by the edge's own clock."""
        command = f"kojo-bluegreen switch-back --reason {shlex.quote(REASON)}"
        timed = f"begun=$(date +%s%N); {command} >&2 || exit; echo $(($(date +%s%N) - begun))"
        return int(self._on_edge(timed)) / 1e9

    def decided(self, since: float) -> list[Decided]:
        """Return what was decided since an instant, in order: what reached every edge."""
        found: dict[int, Decided] = {}
        for edge in self.edges:
            for line in self.lab.ssh(edge).check_output(f"tail -n 200 {HISTORY}").splitlines():
                event = json.loads(line)
                if event["at"] >= since:
                    new = event["new"]
                    found.setdefault(new["generation"], Decided(new["active"], {})).at[edge] = event["at"]
        return [found[generation] for generation in sorted(found) if len(found[generation].at) == len(self.edges)]

    def runs(self, colour: str) -> bool:
        """Return whether a colour runs on every app host."""
        return all(self.lab.ssh(name).run(f"systemctl is-active {UNIT.format(colour)}").rc == 0 for name in self.apps)

    def seen(self, colour: str, *, up: bool) -> None:
        """Wait until each edge's checks see a colour so."""
        edges.seen(self.lab.plant, self.lab.ssh, colour, up=up)

    def on_apps(self, command: str) -> None:
        """Run a command on each app host."""
        for name in self.apps:
            self.lab.ssh(name).check_output(command)

    def _on_edge(self, command: str) -> str:
        return str(self.lab.ssh(self.edges[0]).check_output(command))


@contextmanager
def both_colours(lab: Lab) -> Iterator[Colours]:
    """Both colours run. One that didn't is started with the release that serves, and stopped again; who served before
    serves afterwards."""
    colours = Colours(lab)
    served = colours.active()
    idle = OTHER[served]
    ran = colours.runs(idle)
    releases = {name: lab.ssh(name).check_output(f"readlink /opt/kojo-mes/{idle}") for name in colours.apps}
    try:
        if not ran:
            colours.on_apps(f"ln -sfn $(readlink -f /opt/kojo-mes/{served}) /opt/kojo-mes/{idle}")
            colours.on_apps(f"systemctl restart {UNIT.format(idle)}")
        colours.seen(idle, up=True)
        yield colours
    finally:
        if colours.active() != served:
            colours.switch_back()
        if not ran:
            colours.on_apps(f"systemctl stop {UNIT.format(idle)}")
            for name, release in releases.items():
                lab.ssh(name).check_output(f"ln -sfn {release} /opt/kojo-mes/{idle}")
            colours.seen(idle, up=False)
