"""What a record says of a task's result."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_events import LONGEST_DIFF, MOST_ITEMS, told
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_secrets import Secrets


def said(result: dict[str, Any], *, failed: bool = False) -> dict[str, Any]:
    return told(result, Secrets(), failed=failed)


def test_a_file_is_told_by_what_changed_in_it() -> None:
    diff = {"before": "a\nb\nc\n", "after": "a\nB\nc\n", "before_header": "/etc/x", "after_header": "/etc/x"}
    assert said({"diff": diff}) == {"diff": "--- /etc/x\n+++ /etc/x\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n"}


def test_settings_and_prepared_differences_are_told_too() -> None:
    diffs = [{"path": "/etc/x", "before": {"mode": "0644"}, "after": {"mode": "0600"}}, {"prepared": "+installed\n"}]
    text = said({"diff": diffs})["diff"]
    assert '-  "mode": "0644"\n+  "mode": "0600"\n' in text
    assert text.endswith("+installed\n")


def test_a_secret_that_changed_is_not_told_from_its_successor() -> None:
    diff = {"path": "/etc/x", "before": "password = one\n", "after": "password = two\n"}
    assert said({"diff": diff})["diff"] == "--- /etc/x\n+++ /etc/x\n(only what was removed here differs)\n"


@pytest.mark.parametrize("after", ["x" * 300_000, "x\n" * 10_000, "a\0b"])
def test_what_cannot_be_shown_is_said_to_be_so(after: str) -> None:
    assert "too large to compare" in said({"diff": {"before": "", "after": after}})["diff"]


def test_a_long_difference_is_cut() -> None:
    after = "".join(f"line {number} of a file\n" for number in range(3000))
    text = said({"diff": {"before": "", "after": after}})["diff"]
    assert LONGEST_DIFF < len(text) < LONGEST_DIFF + 100
    assert text.endswith("characters more")


def test_without_a_difference_the_command_or_the_arguments_are_told() -> None:
    assert said({"cmd": ["psql", "-c", "SELECT 1"]}) == {"command": "psql -c SELECT 1"}
    arguments = {"name": "nginx", "token": "a-secret", "state": None, "_raw": 1}
    assert said({"invocation": {"module_args": arguments}}) == {"arguments": {"name": "nginx", "token": "(removed)"}}


def test_of_a_loop_the_items_that_changed_are_told() -> None:
    items = [{"changed": number % 2 == 0, "item": number, "cmd": f"echo {number}"} for number in range(4 * MOST_ITEMS)]
    found = said({"results": items})
    assert found["items"][1] == {"item": "2", "command": "echo 2"}
    assert (len(found["items"]), found["more_items"]) == (MOST_ITEMS, MOST_ITEMS)


@pytest.mark.parametrize("mark", [{"censored": "hidden"}, {"_ansible_no_log": True}])
def test_what_no_log_hides_is_hidden(mark: dict[str, Any]) -> None:
    result = {"msg": "x", "diff": {"before": "a", "after": "b"}, "cmd": "x"} | mark
    assert said(result, failed=True) == {"censored": "no_log"}
    assert said({"results": [result | {"failed": True, "item": "a"}]}, failed=True)["items"][0]["censored"] == "no_log"


def test_a_failure_is_told_with_its_message() -> None:
    result = {"msg": "no such host", "rc": 2, "stderr": "x" * 9000, "cmd": "ping a", "stdout": "not told"}
    found = said(result, failed=True)
    assert (found["message"], found["code"], found["command"]) == ("no such host", 2, "ping a")
    assert len(json.dumps(found)) < 5000
