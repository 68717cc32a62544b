# Copyright: (c) Kojo contributors
# Apache License 2.0 (see LICENSE)
"""All faults of a plant's model and hosts, in one message. The module of this name has the documentation."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.kojo.plant.plugins.plugin_utils import journal_settings
from ansible_collections.kojo.plant.plugins.plugin_utils.journal_file import JournalFault
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model import check_model
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_files import InventoryFiles
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_hosts import Limits, check_host_states
from ansible_collections.kojo.plant.plugins.plugin_utils.plant_model_shape import Fault

ARGUMENTS = {
    "states": {"type": "dict", "default": {}},
    "clock_skew_s": {"type": "float", "required": True},
    "disk_free_mb": {"type": "int", "required": True},
    "memory_mb": {"type": "int", "required": True},
}
UNHEARD = (
    "callbacks_enabled: the callback kojo.plant.audit is not loaded, so nothing records this run; name it there and"
    " have collections_path (or callback_plugins) lead to it, as the ansible.cfg of Kojo's repository does; or run"
    " without that record: -e kojo_audit=best_effort"
)
# another authority each time would be trusted by nobody
NO_AUTHORITY = "AWX: pki_authority_directory: the plant's authority would be gone with this job"


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)  # type: ignore[no-untyped-call]
        states = arguments.pop("states")
        variables = task_vars or {}
        hostvars, hosts = variables["hostvars"], variables["groups"]["all"]

        page, broken = _read_page(hostvars, hosts)
        secrets = page.pop("plant_secrets", None)
        addresses = {host: hostvars[host].get("ansible_host") for host in hosts}
        faults = [
            *broken.values(),
            # what is broken is not missing too
            *(fault for fault in check_model(page, secrets, addresses, variables["groups"]) if fault.key not in broken),
            *check_host_states(states, Limits(**arguments)),
        ]
        host_files = {host: hostvars[host]["inventory_file"] for host in hosts}
        files = InventoryFiles(Path(variables["inventory_dir"]), host_files)
        lines = [f"{files.file_of(fault.key)}: {fault.key}: {fault.problem}; {fault.remedy}" for fault in faults]
        if journal_settings.of_awx(variables) and not hostvars[hosts[0]].get("pki_authority_directory"):
            lines.insert(0, f"{NO_AUTHORITY}; {journal_settings.MOUNTED.format('pki_authority_directory')}")
        if journal_settings.unheard():
            unheard = f"{constants.config.get_config_value('CONFIG_FILE') or 'ansible.cfg'}: {UNHEARD}"
            if _is_required(variables):
                lines.insert(0, unheard)
            else:
                result["warnings"] = [unheard]
        return {**result, **_report(lines)}


def _read_page(hostvars: Any, hosts: Iterable[str]) -> tuple[dict[str, Any], dict[str, Fault]]:
    """The variables whose names begin with plant_, also those of one host or group only, which may be a slip."""
    homes = {name: host for host in hosts for name in hostvars.raw_get(host) if name.startswith("plant_")}
    page, broken = {}, {}
    for name, host in homes.items():
        try:
            page[name] = hostvars[host][name]
        except AnsibleError as error:
            broken[name] = Fault(name, f"cannot be computed: {error.message}", "mend the expression")
    return page, broken


def _is_required(variables: dict[str, Any]) -> bool:
    try:
        return journal_settings.mode(variables.get("kojo_audit")) == journal_settings.REQUIRED
    except JournalFault:
        return True


def _report(lines: list[str]) -> dict[str, Any]:
    if not lines:
        return {"changed": False}
    count = "1 fault" if len(lines) == 1 else f"{len(lines)} faults"
    return {"failed": True, "msg": "\n".join([f"{count}; nothing was touched.", *lines])}
