"""The module on a real kernel, with a table of the test's own that drops nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from tests.plant.inventory import ROOT, Plant

FORMER = "table inet kojo_test {\n\tchain seen {\n\t\tcounter accept\n\t}\n}\n"
WANTED = "table inet kojo_test {\n\tchain seen {\n\t\ttcp dport { 22 } counter accept # nft lists no braces\n\t}\n}\n"
TABLE = "nft list table inet kojo_test"
PATH = "/run/kojo-test/nftables.nft"

Ruleset = Callable[..., dict[str, Any]]


@pytest.fixture
def target(plant: Plant, host: Callable[[str], Host]) -> Iterator[Host]:
    target = host(plant.hosts[0])
    yield target
    target.run("systemctl stop nftables-rollback-inet-kojo_test.timer")
    target.run("rm -r /run/kojo-test /run/kojo/nftables-rollback-inet-kojo_test.nft")
    target.run("nft delete table inet kojo_test")


@pytest.fixture
def ruleset(plant: Plant, target: Host) -> Ruleset:
    """Runs the module on the target, once, and gives its result."""

    def run(content: str, *options: str, **arguments: object) -> dict[str, Any]:
        command = [
            *(str(Path(sys.executable).with_name("ansible")), plant.hosts[0], "-i", str(plant.folder), "--become"),
            *("-m", "kojo.plant.nftables_ruleset", *options),
            *("-a", json.dumps({"content": content, "path": PATH, "table": "kojo_test", **arguments})),
        ]
        environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "minimal", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        output = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment).stdout
        result: dict[str, Any] = json.JSONDecoder().raw_decode(output, output.index("=> {") + 3)[0]
        return result

    return run


def test_check_mode_tells_the_truth_and_touches_nothing(target: Host, ruleset: Ruleset) -> None:
    assert ruleset(FORMER, "--check")["changed"]
    assert target.run(TABLE).failed

    assert ruleset(FORMER)["pending"]
    assert ruleset(FORMER, state="confirmed")["changed"]
    assert not ruleset(FORMER, "--check")["changed"]

    assert ruleset(WANTED, "--check")["changed"]
    assert "22" not in target.check_output(TABLE)

    assert ruleset(WANTED)["pending"]
    assert ruleset(WANTED, state="confirmed")["changed"]
    assert "tcp dport 22" in target.check_output(TABLE)
    assert not ruleset(WANTED)["changed"]


def test_what_nobody_confirms_is_taken_back(target: Host, ruleset: Ruleset) -> None:
    ruleset(FORMER)
    ruleset(FORMER, state="confirmed")
    assert ruleset(WANTED, rollback_after=2)["pending"]
    assert "22" in target.check_output(TABLE)
    deadline = time.monotonic() + 30
    while "22" in target.check_output(TABLE) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "22" not in target.check_output(TABLE)
    assert "No confirmation came in time" in ruleset(WANTED, state="confirmed")["msg"]


@pytest.mark.parametrize("foreign", ["table inet kojo {\n\tchain input {\n\t\tdrop\n\t}\n}\n", "flush ruleset\n"])
def test_another_table_is_out_of_reach(target: Host, ruleset: Ruleset, foreign: str) -> None:
    before = target.check_output("nft -s list ruleset")
    assert "nothing else" in ruleset(foreign + FORMER)["msg"]
    assert target.check_output("nft -s list ruleset") == before
