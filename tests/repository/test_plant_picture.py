"""The picture of a plant shows the plant, and the one in docs/ is the one of today's inventory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.plant_picture import compose, draw, main, read_inventory

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["plant_a", "plant_b"])
def drawn(request: pytest.FixtureRequest) -> tuple[dict[str, dict[str, str]], str]:
    inventory = read_inventory(ROOT / "inventories" / request.param)
    return inventory["_meta"]["hostvars"], draw(compose(inventory))


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_the_picture_in_docs_is_current(tmp_path: Path) -> None:
    """Mend with: python -m tools.plant_picture inventories/plant_a docs/plant_a.svg"""
    assert main([str(ROOT / "inventories/plant_a"), str(tmp_path / "new.svg")]) == 0
    assert (ROOT / "docs/plant_a.svg").read_text(encoding="utf-8") == (tmp_path / "new.svg").read_text(encoding="utf-8")


def test_every_host_and_address_is_in_it(drawn: tuple[dict[str, dict[str, str]], str]) -> None:
    hosts, svg = drawn
    for host, variables in hosts.items():
        assert [text for text in texts(svg) if text.split(" · ")[0] == host], host
        assert variables["ansible_host"] in texts(svg)


def test_nothing_lies_outside_the_picture(drawn: tuple[dict[str, dict[str, str]], str]) -> None:
    _, svg = drawn
    width, height = (float(size) for size in re.findall(r'viewBox="0 0 (\S+) (\S+)"', svg)[0])
    for name, limit in (("x", width), ("x1", width), ("cx", width), ("y", height), ("y2", height), ("cy", height)):
        assert all(0 <= float(value) < limit for value in re.findall(rf'\b{name}="([^"]+)"', svg))


@pytest.mark.parametrize(
    ("hosts", "message"),
    [("all: [", "could not be read"), ("all: {hosts: {a: {ansible_host: 192.0.2.1}}}", "is not a whole plant")],
)
def test_what_cannot_be_drawn_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hosts: str, message: str
) -> None:
    (tmp_path / "hosts.yml").write_text(hosts, encoding="utf-8")
    assert main([str(tmp_path), str(tmp_path / "new.svg")]) == 1
    assert f"{tmp_path} {message}" in capsys.readouterr().err
    assert not (tmp_path / "new.svg").exists()
