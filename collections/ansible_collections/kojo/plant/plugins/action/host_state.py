# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Runs the module of this name, and compares the host's clock with the control node's.

A host that can't be read is a finding, not the end of the run: it is reported with all the other faults.
"""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase


def skew(clock: float, before: float, after: float) -> float:
    """How far CLOCK, read at some time between BEFORE and AFTER, is off at least."""
    return max(before - clock, clock - after, 0.0)


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        before = time.time()
        try:
            state = self._execute_module(task_vars=task_vars)
        except AnsibleConnectionFailure as error:
            return {**result, "changed": False, "reachable": False, "error": error.message}
        if state.get("failed"):
            error_text = state.get("module_stderr") or state.get("msg")
            return {**result, "changed": False, "reachable": True, "error": error_text or "the module gave no answer"}
        return {**result, **state, "reachable": True, "clock_skew_s": skew(state["clock"], before, time.time())}
