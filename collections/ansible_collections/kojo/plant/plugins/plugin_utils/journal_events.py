# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""What a record says of a task: never more than fits, never a secret."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.kojo.plant.plugins.plugin_utils.journal_secrets import Secrets

LONGEST_TEXT = 4 * 2**10
LONGEST_DIFF = 16 * 2**10
MOST_ITEMS = 50
# a longer file isn't compared: that would take long
MOST_COMPARED = 256 * 2**10
MOST_LINES = 4000
CENSORED = "no_log"


def told(result: Mapping[str, Any], secrets: Secrets, *, failed: bool) -> dict[str, Any]:
    """What RESULT, of a task that changed something or failed, says: of a loop only the items that did."""
    items = result.get("results")
    if not isinstance(items, list):
        return _told(result, secrets, LONGEST_DIFF, failed)
    wanted = [
        item
        for item in items
        if isinstance(item, dict) and (item.get("changed") or item.get("failed") or item.get("unreachable"))
    ]
    room = LONGEST_DIFF // max(1, min(len(wanted), MOST_ITEMS))
    found: dict[str, Any] = {
        "items": [
            {"item": _short(_label(item), secrets), **_told(item, secrets, room, failed)}
            for item in wanted[:MOST_ITEMS]
        ]
    }
    if len(wanted) > MOST_ITEMS:
        found["more_items"] = len(wanted) - MOST_ITEMS
    if failed and "msg" in result and not _censored(result):
        found["message"] = _short(result["msg"], secrets)
    return found


def _told(result: Mapping[str, Any], secrets: Secrets, room: int, failed: bool) -> dict[str, Any]:
    if _censored(result):
        return {"censored": CENSORED}
    found: dict[str, Any] = {}
    if "cmd" in result:
        command = result["cmd"]
        found["command"] = _short(" ".join(map(str, command)) if isinstance(command, list) else command, secrets)
    if diff := _diff(result.get("diff"), secrets):
        found["diff"] = cut(diff, room)
    elif "cmd" not in result and isinstance(arguments := _arguments(result), Mapping):
        found["arguments"] = _bounded(secrets.clean(arguments))
    if failed:
        for name, key in (("message", "msg"), ("stderr", "stderr"), ("output", "module_stdout"), ("code", "rc")):
            if result.get(key) not in (None, ""):
                found[name] = result[key] if isinstance(result[key], int) else _short(result[key], secrets)
    return found


def _censored(result: Mapping[str, Any]) -> bool:
    return bool(result.get("_ansible_no_log")) or "censored" in result


def _label(item: Mapping[str, Any]) -> object:
    return item.get("_ansible_item_label", item.get(str(item.get("ansible_loop_var", "item"))))


def _arguments(result: Mapping[str, Any]) -> object:
    invocation = result.get("invocation")
    arguments = invocation.get("module_args") if isinstance(invocation, Mapping) else None
    if not isinstance(arguments, Mapping):
        return None
    return {name: value for name, value in arguments.items() if value is not None and not str(name).startswith("_")}


def _bounded(value: Any) -> Any:
    """VALUE, or the beginning of its JSON when that is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return value if len(text) <= LONGEST_TEXT else cut(text, LONGEST_TEXT)


def _short(value: object, secrets: Secrets) -> str:
    if not isinstance(value, str):
        value = json.dumps(secrets.clean(value), ensure_ascii=False, default=str)
    # nobody sees the end where this may cut a secret in two
    return cut(secrets.text(value[:MOST_COMPARED]), LONGEST_TEXT)


def cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}\n… {len(text) - longest} characters more"


def _diff(diffs: object, secrets: Secrets) -> str:
    parts = diffs if isinstance(diffs, list) else [diffs]
    return "".join(text for part in parts if isinstance(part, Mapping) for text in _one_diff(part, secrets))


def _one_diff(diff: Mapping[str, Any], secrets: Secrets) -> Iterator[str]:
    if "prepared" in diff:
        yield secrets.text(str(diff["prepared"]).rstrip("\n")[:MOST_COMPARED]) + "\n"
    if diff.get("before") == diff.get("after"):
        return
    before, after = (_side(diff.get(name), secrets) for name in ("before", "after"))
    old, new = (
        secrets.text(str(diff.get(f"{name}_header") or diff.get("path") or name)) for name in ("before", "after")
    )
    if before is None or after is None:
        yield f"--- {old}\n+++ {new}\n(too large to compare, or not text)\n"
        return
    if before == after:
        yield f"--- {old}\n+++ {new}\n(only what was removed here differs)\n"
        return
    for line in difflib.unified_diff(before, after, old, new, n=2):
        yield line if line.endswith("\n") else line + "\n"


def _side(value: object, secrets: Secrets) -> list[str] | None:
    if value is None:
        return []
    if isinstance(value, Mapping | list):
        value = json.dumps(secrets.clean(value), indent=2, sort_keys=True, ensure_ascii=False, default=str) + "\n"
    text = str(value)
    if len(text) > MOST_COMPARED or "\0" in text:
        return None
    lines = secrets.text(text).splitlines(keepends=True)
    return lines if len(lines) <= MOST_LINES else None
