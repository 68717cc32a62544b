"""Which colour serves, by what edges and links say; the maps are those that the agents write."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.kojo.plant.plugins.filter.colour_standing import FilterModule

colour_standing = FilterModule().filters()["colour_standing"]
OLD, NEW = "/opt/kojo-mes/releases/1.3.2+aa", "/opt/kojo-mes/releases/1.4.0+bb"
LINKS = [f"blue {OLD}", f"green {NEW}", "current blue"]


def colour_map(active: str, canary: int, generation: int) -> str:
    text = f"active {active}\ncanary {canary}\n_generation {generation}\n"
    return f"{text}_digest {sha256(text.encode()).hexdigest()}\n"


def told(lines: list[str], **options: Any) -> dict[str, Any]:
    answer: dict[str, Any] = colour_standing(lines, **options)
    return answer


def test_the_edges_newest_decision_says_who_serves() -> None:
    """Nine comes before ten: numbers, not words."""
    standing = told(LINKS, maps=[colour_map("green", 25, 10), colour_map("blue", 0, 9)])
    assert (standing["active"], standing["idle"], standing["canary"]) == ("green", "blue", 25)


@pytest.mark.parametrize(
    ("lines", "peers", "active"),
    [
        (LINKS, [], "blue"),
        ([], [[], [f"green {NEW}", "current green"]], "green"),
        ([f"current {OLD}"], [], "blue"),
        ([], [], "blue"),
    ],
    ids=["own link", "a peer's", "a link to no colour", "nothing ever ran"],
)
def test_without_a_decision_the_links_do(lines: list[str], peers: list[list[str]], active: str) -> None:
    assert told(lines, peers=peers)["active"] == active


def test_a_rebuilt_host_has_its_peers_releases_and_keeps_its_own() -> None:
    standing = told([f"blue {NEW}"], peers=[LINKS])
    assert standing["releases"] == {"blue": NEW, "green": NEW}
    assert standing["links"] == {"blue": NEW}
    assert told([])["releases"] == {"blue": "", "green": ""}


def test_the_idle_colour_runs_where_it_starts_at_boot() -> None:
    unit = "kojo-mes-api@green.service /etc/systemd/system/kojo-mes-api@.service"
    assert told(LINKS)["running"] == ["blue"]
    assert told([*LINKS, unit])["running"] == ["blue", "green"]
    # a peer's units are the peer's
    assert told([], peers=[[*LINKS, unit]])["running"] == ["blue"]


def test_a_map_that_was_edited_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="digest"):
        told(LINKS, maps=[colour_map("green", 0, 3).replace("green", "blue")])
