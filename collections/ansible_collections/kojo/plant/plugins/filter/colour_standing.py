# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Which colour serves on a host of the service, and which release each has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.kojo.plant.plugins.module_utils.bluegreen.decision import COLOURS, Decision, Unsound

DOCUMENTATION = r"""
name: colour_standing
short_description: Which colour serves, and which release each colour has
version_added: 0.1.0
author: Kojo contributors (@kojo)
description:
  - The edges' newest decision says which colour serves. Where there is none yet, the link C(current) does, of this host
    or of a peer; where nothing ever ran, O(first).
  - A host that lacks a colour's release has the one that a peer has.
options:
  _input:
    description:
      - The host's links, a line each, with the name, a space and the target. C(blue) and C(green) point to a release,
        C(current) to a colour; C(kojo-mes-api@blue.service) is there when that colour starts at boot.
    type: list
    elements: str
    required: true
  peers:
    description: Likewise of the other hosts, the one that is asked first first.
    type: list
    elements: list
    default: []
  maps:
    description: The edges' colour maps, as text.
    type: list
    elements: str
    default: []
  first:
    description: The colour of a plant where nothing ever ran.
    type: str
    default: blue
"""

EXAMPLES = r"""
- name: Show which colour serves
  ansible.builtin.debug:
    msg: "{{ (links.stdout_lines | kojo.plant.colour_standing(maps=[map.content | b64decode])).active }}"
"""

RETURN = r"""
_value:
  description:
    - C(active) and C(idle), the colours. C(canary), the share of the sources that C(idle) gets, in percent.
    - C(releases), colour to path of its release, empty where nobody has one. C(running), the colours that are to run
      here. C(links), the links that this host has of the three.
  type: dict
  sample:
    active: green
    idle: blue
    canary: 0
    releases: {blue: /opt/kojo-mes/releases/1.3.2+0a1b2c, green: /opt/kojo-mes/releases/1.4.0+9f8e7d}
    running: [green, blue]
    links: {blue: /opt/kojo-mes/releases/1.3.2+0a1b2c, green: /opt/kojo-mes/releases/1.4.0+9f8e7d, current: green}
"""

CURRENT = "current"
UNIT = "kojo-mes-api@{}.service"


def colour_standing(
    lines: Iterable[str], peers: Iterable[Iterable[str]] = (), maps: Iterable[str] = (), first: str = COLOURS[0]
) -> dict[str, Any]:
    own = _links(lines)
    known: dict[str, str] = {}
    for links in (own, *map(_links, peers)):
        known = links | known
    decision = _newest(maps) or Decision(known[CURRENT] if known.get(CURRENT) in COLOURS else first)
    warm = [decision.idle] if UNIT.format(decision.idle) in own else []
    return {
        "active": decision.active,
        "idle": decision.idle,
        "canary": decision.canary,
        "releases": {colour: known.get(colour, "") for colour in COLOURS},
        "running": [decision.active, *warm],
        "links": {name: target for name, target in own.items() if name in (*COLOURS, CURRENT)},
    }


def _links(lines: Iterable[str]) -> dict[str, str]:
    return {name: target for name, _, target in (line.partition(" ") for line in lines)}


def _newest(maps: Iterable[str]) -> Decision | None:
    try:
        return max(map(Decision.parse, maps), key=lambda decision: decision.rank, default=None)
    except Unsound as fault:
        raise AnsibleFilterError(f"an edge's /etc/haproxy/maps/colour.map: {fault}; `kojo-bluegreen status`") from fault


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"colour_standing": colour_standing}
