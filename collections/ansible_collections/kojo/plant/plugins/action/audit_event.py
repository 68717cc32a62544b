# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""Writes one event into the plant's journal, on the control node. The module of this name has the documentation."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_entry import entry, told_before, write
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_file import JournalFault
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_settings import Settings, of_task

ARGUMENTS = {
    "action": {"type": "str", "required": True},
    "record_type": {"type": "str", "required": True},
    "record_id": {"type": "str", "required": True},
    "record_version": {"type": "int"},
    "old": {"type": "dict"},
    "new": {"type": "dict"},
    "reason": {"type": "str"},
    "once": {"type": "str", "no_log": False},
}


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)  # type: ignore[no-untyped-call]
        variables = task_vars or {}
        try:
            plant = of_task(variables)
            event = _event(arguments, variables)
            if arguments["once"] is not None and _is_written(plant, event):
                return {**result, "changed": False, "event": event}
            if not self._task.check_mode:
                result["sequence"] = write(plant, event)
        except JournalFault as fault:
            raise AnsibleActionFail(f"The event is not in the audit journal: {fault}") from fault
        return {**result, "changed": True, "event": event}


def _event(arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
    new = arguments["new"]
    if arguments["once"] is not None:
        new = {**(new or {}), "once": arguments["once"]}
    return entry(
        variables,
        arguments["action"],
        arguments["record_type"],
        arguments["record_id"],
        version=arguments["record_version"],
        old=arguments["old"],
        new=new,
        reason=arguments["reason"],
    )


def _is_written(plant: Settings, event: dict[str, Any]) -> bool:
    """Whether the journal has an event with this key already, of this action and record."""
    once = event["new"]["once"]
    return any(
        (known["action"], known["record"]) == (event["action"], event["record"])
        and (known["new"] or {}).get("once") == once
        for known in told_before(plant, {"once": once})
    )
