"""Ansible's files as these tests read them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from ansible.playbook.block import Block
from ansible.playbook.handler import Handler
from ansible.playbook.task import Task

ROOT: Final = Path(__file__).resolve().parents[2]
ROLES: Final = sorted(folder for folder in (ROOT / "roles").iterdir() if (folder / "tasks").is_dir())
KEYWORDS: Final = {*Task.fattributes, *Block.fattributes, *Handler.fattributes}


@functools.cache
def load(path: Path) -> Any:
    """The content of PATH; none if there is no such file."""
    # the loader in C: a third of the time
    return yaml.load(path.read_bytes(), yaml.CSafeLoader) if path.exists() else None


def flatten(tasks: list[dict[str, Any]] | None) -> Iterator[dict[str, Any]]:
    """Each task and block, whatever block it is in."""
    for task in tasks or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from flatten(task.get(part))


def tasks_of(role: Path) -> list[dict[str, Any]]:
    """All tasks and handlers of a role."""
    files = sorted([*role.glob("tasks/*.yml"), *role.glob("handlers/*.yml")])
    return [task for file in files for task in flatten(load(file))]


def module_of(task: Mapping[str, Any]) -> str | None:
    """The module that a task calls; none for a block."""
    return None if "block" in task else next(iter(task.keys() - KEYWORDS), None)


def listed(value: object) -> list[Any]:
    """VALUE as a list, as Ansible takes a name where it wants names."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
