# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Writes an edge's decisions into the plant's journal. The module of this name has the documentation."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.kojo.plant.plugins.plugin_utils.colour_decisions import (
    ACTION,
    TAKEN_OVER,
    Damaged,
    Decided,
    Known,
)
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_entry import entry, told_before, write
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_file import JournalFault
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_settings import BEST_EFFORT, mode, of_task


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        read = self._execute_module(task_vars=task_vars)
        if read.get("failed"):
            return {**result, **read}
        decisions, damaged = _parsed(read, variables)
        warnings = [*read.get("warnings", []), *damaged]
        events: list[dict[str, Any]] = []
        try:
            if decisions:
                events, more = self._recorded(decisions, read, variables)
                warnings += more
        except JournalFault as fault:
            said = f"What was decided on the edges is not in the audit journal: {fault}"
            if mode(variables.get("kojo_audit")) != BEST_EFFORT:
                raise AnsibleActionFail(said) from fault
            warnings.append(said)
        # the plant is as it was: a record of what was done to it is no change of it
        return {**result, "changed": False, "events": events, "warnings": warnings}

    def _recorded(
        self, decisions: list[Decided], read: dict[str, Any], variables: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """The events of DECISIONS that the journal hasn't got, written unless in check mode, and what is to be told."""
        plant, check = of_task(variables), bool(self._task.check_mode)
        with _alone(plant.directory):
            known = Known(told_before(plant, {"action": ACTION}))
            events = [entry(variables, **one.event()) for one in decisions if one not in known]
            for event in [] if check else events:
                write(plant, event)
        if read["first"] == 1 or decisions[0] in known:
            return events, []
        oldest = f"{read['path']} on {decisions[0].edge}: only the lines from {read['first']} on were read"
        return events, [f"{oldest}, and those before may be in no journal: read them there"]


def _parsed(read: dict[str, Any], variables: dict[str, Any]) -> tuple[list[Decided], list[str]]:
    """The decisions that were made, and not only taken over, on this edge; and its damaged lines, in words."""
    edge, others = variables["inventory_hostname"], variables["groups"]["all"]
    decisions, damaged = [], []
    for number, line in enumerate(read["lines"], read["first"]):
        if not line.strip():
            continue
        try:
            decided = Decided.parse(edge, line)
        except Damaged as why:
            remedy = "compare it with the other edge's, tell it by hand, and take it out"
            damaged.append(f"{read['path']} on {edge}: line {number} is damaged and not recorded ({why}); {remedy}")
            continue
        if decided.why != TAKEN_OVER or decided.who not in others:
            decisions.append(decided)
    return decisions, damaged


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Of several edges' tasks one at a time looks what is known, and writes: they have the same decisions."""
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:  # a journal that begins with this run, or none in check mode
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
