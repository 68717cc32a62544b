"""Draw a plant from its inventory: python -m tools.plant_picture inventories/plant_a docs/plant_a.svg.

A zone is a band; the firewall stands in all of them, and a conduit between zones is an arrow through it, with the ports
that are listened on where it ends. What stays in a zone, or comes from everywhere, is written in the band.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Final
from unicodedata import east_asian_width
from xml.sax.saxutils import escape

WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "level": "level",
        "no_level": "beside the levels",
        "virtual": "virtual address",
        "control_nodes": "control nodes",
        "all": "everywhere",
        "between": "between the zones",
        "edge": "edge",
        "app": "service",
        "database": "database",
        "cache": "cache",
        "gateway": "gateway",
        "monitoring": "monitoring",
        "firewall": "firewall",
    },
    "ja": {
        "level": "レベル",
        "no_level": "レベル外",
        "virtual": "仮想アドレス",
        "control_nodes": "制御ノード",
        "all": "全ホスト",
        "between": "ゾーン間の経路",
        "edge": "エッジ",
        "app": "サービス",
        "database": "データベース",
        "cache": "キャッシュ",
        "gateway": "ゲートウェイ",
        "monitoring": "監視",
        "firewall": "ファイアウォール",
    },
}

GROUP_COLOURS: Final = {
    "firewall": "#b45309",
    "edge": "#7c3aed",
    "app": "#2563eb",
    "database": "#0f766e",
    "cache": "#be123c",
    "gateway": "#4d7c0f",
    "monitoring": "#475569",
}
BAND_COLOURS: Final = ("#ede9fe", "#e0f2fe", "#dcfce7", "#fef3c7", "#e2e8f0")
INK, FAINT, PAPER, LINE = "#0f172a", "#475569", "#f8fafc", "#cbd5e1"
SANS: Final = "'Noto Sans JP','Noto Sans CJK JP','Hiragino Sans','Yu Gothic',Meiryo,'Segoe UI',Roboto,sans-serif"
MONO: Final = "'DejaVu Sans Mono',Menlo,Consolas,'Noto Sans Mono CJK JP',monospace"

MARGIN, GAP = 24, 12
TITLE_HEIGHT = 74
LABEL_WIDTH = 156
CARD_WIDTH, CARD_HEAD, CHIP_HEIGHT = 146, 48, 21
LANE_WIDTH, LANES_PADDING, GATEWAY_WIDTH = 58, 20, 104
NOTE_HEIGHT = 20
PORT_HEIGHT = 15


@dataclass
class Card:
    """A host, or the address that the edges share."""

    name: str
    address: str
    groups: Sequence[str] = ()


@dataclass
class Band:
    name: str
    zone: Mapping[str, Any]
    cards: list[Card] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)
    top: float = 0
    height: float = 0


@dataclass
class Picture:
    title: str
    subtitle: str
    words: Mapping[str, str]
    bands: list[Band]
    lanes: dict[tuple[str, str], list[str]]
    firewall: str | None


def read_inventory(plant: Path) -> dict[str, Any]:
    """What Ansible itself makes of the inventory."""
    command = [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(plant), "--list"]
    environment = {**os.environ, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}
    run = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    listed: dict[str, Any] = json.loads(run.stdout)
    return listed


def compose(inventory: Mapping[str, Any]) -> Picture:
    """What is in the picture, without where it is."""
    hosts: dict[str, dict[str, Any]] = inventory["_meta"]["hostvars"]
    page = next(iter(hosts.values()))
    groups = {name: inventory[name]["hosts"] for name in GROUP_COLOURS if name in inventory}
    words = WORDS[page["plant_language"]]
    zones = page["plant_zones"]
    order = sorted(zones, key=lambda name: _place(zones[name]))
    bands = {name: Band(name, zones[name]) for name in order}
    addresses = sorted((IPv4Address(of_host["ansible_host"]), host) for host, of_host in hosts.items())
    zone_of = {host: _zone_of(str(address), zones) for address, host in addresses}

    firewall = next(iter(groups.get("firewall", [])), None)
    for host, zone in zone_of.items():
        if host != firewall:
            does = [name for name, members in groups.items() if host in members]
            bands[zone].cards.append(Card(host, hosts[host]["ansible_host"], does))
    virtual = page.get("plant_virtual_address")
    if virtual:
        bands[_zone_of(virtual, zones)].cards.append(Card(words["virtual"], virtual))

    lanes: dict[tuple[str, str], list[str]] = {}
    for conduit in page["plant_conduits"]:
        ports = _ports(conduit)
        receivers = list(hosts) if conduit["to"] == "all" else groups.get(conduit["to"], [])
        for target in _unique(zone_of[host] for host in receivers if host != firewall):
            sender = conduit["from"]
            if sender in ("all", "control_nodes"):
                _add(bands[target].notes, f"{words[sender]} →", ports)
                continue
            sources = [sender] if sender in zones else _unique(zone_of[host] for host in groups.get(sender, []))
            for source in sources:
                if source != target:
                    _add(lanes, (source, target), ports)
                elif conduit["to"] != "all":
                    ends = (words.get(end, end) for end in (sender, conduit["to"]))
                    _add(bands[target].notes, " → ".join(ends), ports)
    rank = {name: index for index, name in enumerate(order)}
    return Picture(
        title=page["plant_name"][page["plant_language"]],
        subtitle=f"{page['plant_id']} · {page['plant_domain']}",
        words=words,
        bands=list(bands.values()),
        lanes=dict(sorted(lanes.items(), key=lambda lane: (rank[lane[0][0]], rank[lane[0][1]]))),
        firewall=firewall,
    )


def draw(picture: Picture) -> str:
    """The picture as SVG."""
    cards_left = MARGIN + LABEL_WIDTH
    cards_width = max(2, *(len(band.cards) for band in picture.bands)) * (CARD_WIDTH + GAP)
    lanes_left = cards_left + cards_width + GAP
    lanes_width = len(picture.lanes) * LANE_WIDTH + 2 * LANES_PADDING + GATEWAY_WIDTH if picture.lanes else 0
    width = lanes_left + lanes_width + MARGIN
    top = float(MARGIN + TITLE_HEIGHT)
    for band in picture.bands:
        band.top, band.height = top, _band_height(band, picture)
        top += band.height + GAP
    height = top - GAP + MARGIN

    body = [_rectangle(0, 0, width, height, PAPER, radius=14)]
    body += [_text(MARGIN, MARGIN + 24, picture.title, 24, weight=700)]
    body += [_text(MARGIN, MARGIN + 48, picture.subtitle, 13, FAINT, family=MONO)]
    for index, band in enumerate(picture.bands):
        colour = BAND_COLOURS[index % len(BAND_COLOURS)]
        body += _draw_band(band, colour, cards_left, width - 2 * MARGIN, picture.words)
    if picture.lanes:
        body += _draw_lanes(picture, lanes_left, lanes_width)
    marker = (
        f'<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{INK}"/></marker>'
    )
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" font-family="{SANS}">'
    )
    return "\n".join(
        [opening, f"<title>{escape(picture.title)}</title>", f"<defs>{marker}</defs>", *body, "</svg>", ""]
    )


def _band_height(band: Band, picture: Picture) -> float:
    chips = max((len(card.groups) for card in band.cards), default=0)
    cards = CARD_HEAD + chips * CHIP_HEIGHT + (8 if chips else 0)
    listed = max((len(ports) for (_, target), ports in picture.lanes.items() if target == band.name), default=0)
    notes = len(band.notes) * NOTE_HEIGHT + (10 if band.notes else 0)
    return max(GAP + cards + notes + GAP, 2 * GAP + listed * PORT_HEIGHT + 30)


def _draw_band(band: Band, colour: str, cards_left: float, width: float, words: Mapping[str, str]) -> Iterator[str]:
    yield _rectangle(MARGIN, band.top, width, band.height, colour, radius=10)
    level = band.zone["level"]
    label = words["no_level"] if level is None else f"{words['level']} {level:g}"
    yield _text(MARGIN + 16, band.top + 32, band.name, 17, weight=700)
    yield _text(MARGIN + 16, band.top + 52, label, 13, FAINT)
    yield _text(MARGIN + 16, band.top + 71, band.zone["network"], 12.5, FAINT, family=MONO)
    for index, card in enumerate(band.cards):
        yield from _draw_card(card, cards_left + index * (CARD_WIDTH + GAP), band, words)
    chips = max((len(card.groups) for card in band.cards), default=0)
    line = band.top + GAP + CARD_HEAD + chips * CHIP_HEIGHT + (8 if chips else 0) + 24
    ports_left = cards_left + max((_width(note, 13) for note in band.notes), default=0) + 14
    for note, ports in band.notes.items():
        yield _text(cards_left, line, note, 13, FAINT)
        yield _text(ports_left, line, " ".join(ports), 12.5, family=MONO)
        line += NOTE_HEIGHT


def _draw_card(card: Card, left: float, band: Band, words: Mapping[str, str]) -> Iterator[str]:
    top = band.top + GAP
    chips = len(card.groups)
    height = CARD_HEAD + chips * CHIP_HEIGHT + (8 if chips else 0)
    dashes = "" if chips else ' stroke-dasharray="5 4"'
    yield _rectangle(left, top, CARD_WIDTH, height, "#ffffff", radius=8, more=f' stroke="{LINE}"{dashes}')
    yield _text(left + 12, top + 20, card.name, 15 if chips else 13, weight=700 if chips else 400)
    yield _text(left + 12, top + 38, card.address, 12.5, FAINT, family=MONO)
    for index, group in enumerate(card.groups):
        middle = top + CARD_HEAD + index * CHIP_HEIGHT + CHIP_HEIGHT / 2
        yield f'<circle cx="{left + 17:g}" cy="{middle:g}" r="4.5" fill="{GROUP_COLOURS[group]}"/>'
        yield _text(left + 28, middle + 4.5, words[group], 13)


def _draw_lanes(picture: Picture, left: float, width: float) -> Iterator[str]:
    bands = {band.name: band for band in picture.bands}
    top, bottom = picture.bands[0].top, picture.bands[-1].top + picture.bands[-1].height
    wall = GROUP_COLOURS["firewall"]
    frame = f' fill-opacity="0.07" stroke="{wall}" stroke-opacity="0.55" stroke-width="1.5"'
    yield _rectangle(left, top - 34, width, bottom - top + 34 + 6, wall, radius=10, more=frame)
    name = f"{picture.firewall} · {picture.words['firewall']}" if picture.firewall else picture.words["between"]
    yield _text(left + LANES_PADDING, top - 12, name, 14, weight=700)
    for band in picture.bands:
        x, y = left + width - GATEWAY_WIDTH - 8, band.top + band.height / 2 + 4
        yield _text(x, y, band.zone.get("gateway", ""), 12.5, wall, family=MONO)
    for index, ((source, target), ports) in enumerate(picture.lanes.items()):
        start, end = bands[source], bands[target]
        x = left + LANES_PADDING + index * LANE_WIDTH + 8
        downwards = end.top > start.top
        first = start.top + start.height / 2
        last = end.top + end.height - 14 if downwards else end.top + 14
        yield f'<circle cx="{x:g}" cy="{first:g}" r="4" fill="{INK}"/>'
        yield (
            f'<line x1="{x:g}" y1="{first:g}" x2="{x:g}" y2="{last:g}" stroke="{INK}" stroke-width="1.5" '
            'marker-end="url(#head)"/>'
        )
        for number, port in enumerate(ports):
            yield _text(x + 8, end.top + 28 + number * PORT_HEIGHT, port, 12.5, family=MONO)


def _place(zone: Mapping[str, Any]) -> tuple[float, IPv4Network]:
    """High levels first, and what stands beside the levels last."""
    level = zone["level"]
    return (1.0 if level is None else -float(level), IPv4Network(zone["network"]))


def _zone_of(address: str, zones: Mapping[str, Mapping[str, Any]]) -> str:
    return next(name for name, zone in zones.items() if IPv4Address(address) in IPv4Network(zone["network"]))


def _ports(conduit: Mapping[str, Any]) -> list[str]:
    if not conduit.get("ports"):
        return [str(conduit["protocol"])]
    suffix = "" if conduit["protocol"] == "tcp" else f"/{conduit['protocol']}"
    return [f"{port}{suffix}" for port in conduit["ports"]]


def _add(table: dict[Any, list[str]], key: object, ports: Sequence[str]) -> None:
    """Add ports to an entry: numbers in their order, then the protocols that have none."""
    merged = {*table.get(key, []), *ports}
    table[key] = sorted(
        merged, key=lambda port: (not port[0].isdigit(), int(port.split("/")[0]) if port[0].isdigit() else 0)
    )


def _unique(items: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _width(text: str, size: float) -> float:
    """About how wide TEXT is set."""
    return sum(1.0 if east_asian_width(letter) in "WF" else 0.56 for letter in text) * size


def _rectangle(x: float, y: float, width: float, height: float, fill: str, radius: float, more: str = "") -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}" fill="{fill}"{more}/>'


def _text(
    x: float, y: float, text: str, size: float, fill: str = INK, weight: int = 400, family: str | None = None
) -> str:
    style = f' font-family="{family}"' if family else ""
    style += f' font-weight="{weight}"' if weight != 400 else ""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{fill}"{style}>{escape(text)}</text>'


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.plant_picture", description="Draw a plant from its inventory."
    )
    parser.add_argument("plant", type=Path, help="the plant's inventory directory, such as inventories/plant_a")
    parser.add_argument("picture", type=Path, help="the SVG file to write")
    chosen = parser.parse_args(arguments)
    try:
        picture = draw(compose(read_inventory(chosen.plant)))
    except subprocess.CalledProcessError as error:
        print(f"{chosen.plant} could not be read as an inventory:\n{error.stderr}", file=sys.stderr)
        return 1
    except (LookupError, StopIteration):
        preflight = f"ansible-playbook playbooks/preflight.yml -i {chosen.plant} -e preflight_hosts=false"
        print(f"{chosen.plant} is not a whole plant; this says what is wrong with it: {preflight}", file=sys.stderr)
        return 1
    chosen.picture.write_text(picture, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
